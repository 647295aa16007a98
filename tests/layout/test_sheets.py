"""A spreadsheet's field lists become a layout that loads and reads; what the sheet leaves open is said, not hidden."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.errors import StructureError
from atom_pipeline.layout.model import FieldType, Provenance, RecordRole
from atom_pipeline.layout.reading import read_file
from atom_pipeline.layout.sheet_files import SheetError
from atom_pipeline.layout.sheet_pictures import Picture, date_format_of, picture_of
from atom_pipeline.layout.sheet_words import Column, column_of
from atom_pipeline.layout.sheet_writing import layout_document
from atom_pipeline.layout.sheets import read_sheet
from tests.layout.field_lists import TITLES, Cells, doubts, loaded, sheet_of, two_records, workbook


def test_two_sheets_become_two_records_that_load_and_read_a_file(tmp_path: Path) -> None:
    sheet = read_sheet(two_records(tmp_path / "Acordos 2024.xlsx"))
    layout = loaded(sheet, tmp_path)
    assert (layout.layout, layout.title, layout.direction) == ("acordos_2024", "LAYOUT DE ACORDOS", "import")
    header, detail = layout.versions[0].records
    assert (header.role, header.length, detail.role, detail.length) == (RecordRole.HEADER, 38, RecordRole.DETAIL, 38)
    assert detail.match is not None and (detail.match.field, detail.match.equals) == ("tipo_de_registro", "1")
    assert detail.field("situacao").domain == {"A1": "Ativo", "B2": "Baixado"}
    assert all(field.source is Provenance.SPEC for field in detail.fields)

    file = tmp_path / "acordos.txt"
    lines = ["0" + "04082023" + " " * 29, "1" + "0000000042" + "000000000012345" + "31122023" + "A1" + "SP"]
    file.write_bytes("".join(f"{line}\r\n" for line in lines).encode("latin-1"))
    reading = read_file(layout, file, name=file.name, day=date(2023, 8, 4))
    assert reading.rows_refused == 0
    row = reading.frames["detalhe"].row(0, named=True)
    assert (row["contrato"], row["valor_da_parcela"]) == ("0000000042", Decimal("123.45"))
    assert (row["vencimento"], row["situacao"], row["uf"]) == (date(2023, 12, 31), "A1", "SP")


@pytest.mark.parametrize(
    ("title", "column"),
    [
        ("Campo", Column.NAME),
        ("NOME DO CAMPO", Column.NAME),
        ("Posição Inicial:", Column.START),
        ("De", Column.START),
        ("Até", Column.END),
        ("Pos. Fim", Column.END),
        ("Tamanho (bytes)", Column.WIDTH),
        ("Tipo do dado", Column.TYPE),
        ("PICTURE", Column.FORMAT),
        ("Casas Decimais", Column.DECIMALS),
        ("Obrigatório?", Column.REQUIRED),
        ("Descrição do campo", Column.DESCRIPTION),
        ("Domínio", Column.DOMAIN),
        ("Nº", Column.ORDER),
        ("Posição (de/até)", Column.START),
        ("Pos. Inicial/Final", Column.START),
        ("Máscara", Column.FORMAT),
        ("Casas", Column.DECIMALS),
        ("from", Column.START),
        ("TO", Column.END),
        ("Mandatory", Column.REQUIRED),
        ("Observação", Column.DESCRIPTION),
        ("Responsável", None),
    ],
)
def test_a_column_is_known_by_its_names(title: str, column: Column | None) -> None:
    assert column_of(title) is column


@pytest.mark.parametrize(
    ("text", "picture"),
    [
        ("9(13)V99", Picture(True, 15, 2)),
        ("9(011)V9(02)", Picture(True, 13, 2)),
        ("pic 9(5).", Picture(True, 5)),
        ("X(40)", Picture(False, 40)),
        ("XXX", Picture(False, 3)),
        ("S9(7)V99", Picture(True, 9, 2, signed=True)),
        ("NUMERIC(15,2)", Picture(True, 15, 2)),
        ("VARCHAR(60)", Picture(False, 60)),
        ("ZZZ.ZZ9,99", Picture(True, 10, 2, decimal_mark=",", thousands_mark=".")),
        ("9(5).99", Picture(True, 8, 2, decimal_mark=".")),
        ("X(01)", Picture(False, 1)),
        ("X10", Picture(False, 10)),
        ("A-040", Picture(False, 40)),
        ("N13,2", Picture(True, 13, 2)),
        ("X", None),
        ("9", None),
        ("Texto livre", None),
        ("DDMMAAAA", None),
    ],
)
def test_a_picture_says_width_decimals_and_sign(text: str, picture: Picture | None) -> None:
    assert picture_of(text) == picture


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ddmmyyyy", ("DDMMAAAA", FieldType.DATE)),
        ("Data (AAAA-MM-DD) do evento", ("AAAA-MM-DD", FieldType.DATE)),
        ("HHMMSS", ("HHMMSS", FieldType.TIME)),
        ("dd/mm/aaaa hh:mm:ss", ("DD/MM/AAAA HH:MM:SS", FieldType.DATETIME)),
        ("AAAAMM", None),
        ("ADMMINISTRADORA", None),
    ],
)
def test_a_date_is_known_by_how_it_is_written(text: str, found: tuple[str, FieldType] | None) -> None:
    assert date_format_of(text) == found


def test_positions_that_disagree_with_a_length_are_a_doubt_with_both_numbers(tmp_path: Path) -> None:
    sheet = sheet_of(
        tmp_path,
        ["produto", 1, 10, 12, "X"],
        ["loja", 11, 20, 5, "X"],
        ["plano", 16, 20, 5, "X"],
        ["canal", 21, 30, 10, "X"],
    )
    assert doubts(sheet, "produto") == [
        "positions 1 to 10 are 10 bytes, the length says 12: 10 was taken (where the next field starts says so)"
    ]
    assert "positions 11 to 20 are 10 bytes, the length says 5: 5 was taken" in doubts(sheet, "loja")[0]
    record = loaded(sheet, tmp_path).versions[0].records[0]
    assert [(field.name, start, stop) for field, start, stop in record.spans()] == [
        ("produto", 0, 10),
        ("loja", 10, 15),
        ("plano", 15, 20),
        ("canal", 20, 30),
    ]
    assert [field.source for field in record.fields] == ["inferred", "inferred", "spec", "spec"]


def test_an_unknown_type_is_read_as_text_and_is_a_doubt_above_its_field(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, ["produto", 1, 10, 10, "X"], ["enigma", 11, 12, 2, "ZORG"])
    assert doubts(sheet, "enigma") == ["the type is not known: ZORG", "read as text"]
    lines = [line.strip() for line in layout_document(sheet).splitlines()]
    place = next(number for number, line in enumerate(lines) if line.startswith("- {name: enigma"))
    assert lines[place - 2] == "# doubt: lista.csv:3: the type is not known: ZORG"
    assert loaded(sheet, tmp_path).versions[0].records[0].field("enigma").type is FieldType.TEXT


def test_decimals_that_disagree_are_a_doubt_with_both_numbers(tmp_path: Path) -> None:
    titles: Cells = ["Campo", "Tamanho", "Picture", "Decimais"]
    sheet = sheet_of(tmp_path, ["valor", 15, "9(13)V99", 3], ["taxa", 9, "9(9)", 4], titles=titles)
    fields = loaded(sheet, tmp_path).versions[0].records[0].by_name
    assert (fields["valor"].decimals, fields["taxa"].decimals) == (2, 4)
    assert doubts(sheet, "valor") == [
        "decimals disagree: the picture says 2, the column of decimals says 3: 2 were taken"
    ]


def test_a_length_that_leaves_the_decimals_out_gives_way_to_the_picture(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, ["valor", 13, "9(13)V99"], ["uf", 2, "X(2)"], titles=["Campo", "Tamanho", "Picture"])
    assert loaded(sheet, tmp_path).versions[0].records[0].length == 17
    assert doubts(sheet, "valor") == ["the length says 13, the picture is 15 with its 2 decimals: 15 was taken"]


def test_bytes_of_no_field_are_filled_and_bytes_of_two_remain_a_finding(tmp_path: Path) -> None:
    gap = sheet_of(tmp_path, ["a", 1, 5, 5, "X"], ["b", 8, 9, 2, "X"])
    record = loaded(gap, tmp_path).versions[0].records[0]
    assert [(field.name, field.width) for field in record.fields] == [("a", 5), ("reservado_6", 2), ("b", 2)]
    assert record.field("reservado_6").source is Provenance.INFERRED
    overlap = sheet_of(tmp_path, ["a", 1, 5, 5, "X"], ["b", 4, 9, 6, "X"])
    assert doubts(overlap, "b") == ["byte 4 is of the field before it too (up to 5): mend one of both"]
    with pytest.raises(StructureError, match="overlaps the one before it"):
        loaded(overlap, tmp_path)


def test_positions_from_zero_out_of_order_and_a_total_are_understood(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, ["b", 5, 9, 5, "X"], ["a", 0, 4, 5, "X"], ["TOTAL", None, None, 12])
    record = sheet.records[0]
    assert [(item.name, item.start, item.width) for item in record.fields] == [("a", 1, 5), ("b", 6, 5)]
    assert "the fields fill 10 bytes, the sheet says 12 in all" in record.doubts
    assert any("order of their positions" in doubt for doubt in record.doubts)
    assert doubts(sheet, "a") == ["positions count from 0 in the sheet: 1 was added to each"]


def test_what_a_number_without_decimals_becomes_goes_by_its_name(tmp_path: Path) -> None:
    names = ["CONTRATO", "CPF/CNPJ", "QTD PARCELAS", "DT NASC", "COD LOJA", "XPTO"]
    sheet = sheet_of(tmp_path, *([name, None, None, 8, "N"] for name in names))
    fields = loaded(sheet, tmp_path).versions[0].records[0].by_name
    types = {name: field.type.value for name, field in fields.items()}
    assert types == {
        "contrato": "digits",
        "cpf_cnpj": "text",
        "qtd_parcelas": "integer",
        "dt_nasc": "date",
        "cod_loja": "digits",
        "xpto": "digits",
    }
    assert fields["contrato"].zero_pad == 8
    assert fields["cpf_cnpj"].personal == "document"
    assert [bool(doubts(sheet, name)) for name in types] == [False, True, False, True, False, True]


def test_a_sign_without_a_byte_of_its_own_is_a_doubt(tmp_path: Path) -> None:
    rows: list[Cells] = [["saldo", "S9(7)V99", 9], ["ajuste", "S9(7)V99", 10]]
    sheet = sheet_of(tmp_path, *rows, titles=["Campo", "Picture", "Tamanho"])
    assert [field.signed for field in loaded(sheet, tmp_path).versions[0].records[0].fields] == ["leading", "leading"]
    assert "one put over the last digit is not" in doubts(sheet, "saldo")[0]
    assert "one byte more than its digits" in doubts(sheet, "ajuste")[0]


def test_a_packed_field_cannot_be_read_and_is_a_doubt(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, ["saldo", 1, 5, 5, "N", "S9(7)V99 COMP-3"])
    assert any("packed or binary" in doubt for doubt in doubts(sheet, "saldo"))


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("1-Ativo; 2-Baixado", "domain", {"01": "Ativo", "02": "Baixado"}),
        ("01=Carro, 02=Moto", "domain", {"01": "Carro", "02": "Moto"}),
        ("01 ou 02", "domain", {"01": "01", "02": "02"}),
        ("Fixo '07'", "equals", "07"),
        ("Brancos", "domain", None),
    ],
)
def test_codes_are_a_domain_or_a_constant(tmp_path: Path, text: str, key: str, value: object) -> None:
    sheet = sheet_of(tmp_path, ["cod_tipo", 2, "N", text], titles=["Campo", "Tamanho", "Tipo", "Domínio"])
    assert sheet.records[0].fields[0].keys.get(key) == value


def test_codes_that_are_not_understood_stay_in_the_description(tmp_path: Path) -> None:
    rows: list[Cells] = [["situacao", 2, "X", "ver tabela do anexo III", "Situação do contrato"]]
    sheet = sheet_of(tmp_path, *rows, titles=["Campo", "Tamanho", "Tipo", "Domínio", "Descrição"])
    field = loaded(sheet, tmp_path).versions[0].records[0].field("situacao")
    assert (field.description, field.domain) == ("Situação do contrato; ver tabela do anexo III", None)
    assert "the codes were not understood" in doubts(sheet, "situacao")[0]


def test_a_csv_of_a_delimited_file_keeps_the_titles_and_reads_a_row(tmp_path: Path) -> None:
    path = tmp_path / "refin.csv"
    text = (
        "Layout refin - arquivo CSV separado por ponto e vírgula;;;\n"
        "Nome;Tipo;Formato;Obrigatório\n"
        "OperOriginal;Alfanumérico;;S\n"
        'Vl. Parcela;Decimal;"9.999,99";N\n'
        "Data Proposta;Data;DD/MM/AAAA;talvez\n"
    )
    path.write_bytes(text.encode("cp1252"))
    sheet = read_sheet(path, "refin_banco")
    assert doubts(sheet, "data_proposta") == ["whether it is required was not understood: talvez"]
    layout = loaded(sheet, tmp_path)
    file = tmp_path / "arquivo.csv"
    file.write_bytes("OperOriginal;Vl. Parcela;Data Proposta\r\n77;1.234,50;04/08/2023\r\n".encode("latin-1"))
    reading = read_file(layout, file, name=file.name, day=date(2023, 8, 4))
    assert reading.frame().select("oper_original", "vl_parcela", "data_proposta").row(0) == (
        "77",
        Decimal("1234.50"),
        date(2023, 8, 4),
    )


def test_a_column_that_names_the_record_parts_one_list_into_records(tmp_path: Path) -> None:
    path = tmp_path / "lotes.csv"
    rows = ["Registro,Campo,De,Até,Picture,Conteúdo"]
    for record, code in (("Header", "0"), ("Detalhe", "1"), ("Trailer", "9")):
        rows += [f"{record},Tipo,1,1,X(1),'{code}'", f"{record},Dado,2,10,X(9),"]
    path.write_text("\n".join(rows), encoding="utf-8")
    records = loaded(read_sheet(path), tmp_path).versions[0].records
    assert [(record.name, record.role.value, record.length) for record in records] == [
        ("header", "header", 10),
        ("detalhe", "detail", 10),
        ("trailer", "trailer", 10),
    ]


def test_lists_one_under_the_other_on_one_sheet_are_records_by_their_titles(tmp_path: Path) -> None:
    rows: list[Cells] = [["Registro Header"], TITLES, ["tipo_registro", 1, 1, 1, "X"], ["uso", 2, 9, 8, "X"]]
    rows += [["Registro Detalhe"], TITLES, ["tipo_registro", 1, 1, 1, "X"], ["nota", 2, 9, 8, "X"], ["Obs.: rascunho"]]
    sheet = read_sheet(workbook(tmp_path / "tudo.xlsx", Plan1=rows))
    assert [(record.name, record.match) for record in sheet.records] == [
        ("registro_header", ("tipo_registro", "0")),
        ("registro_detalhe", ("tipo_registro", "1")),
    ]
    assert any("stands alone" in doubt.message and "rascunho" in doubt.message for doubt in sheet.doubts)
    assert any("0 was taken, by the record's title" in doubt for doubt in doubts(sheet, "tipo_registro"))


def test_sheets_that_are_no_field_list_and_unknown_columns_are_doubts(tmp_path: Path) -> None:
    titles: Cells = [*TITLES, "Responsável"]
    sheet = read_sheet(
        workbook(tmp_path / "x.xlsx", Capa=[["Versão", "1.0"]], Campos=[titles, ["a", 1, 2, 2, "X", None, "Ana"]])
    )
    told = {(doubt.sheet, doubt.message.partition(":")[0]) for doubt in sheet.doubts}
    assert ("Campos", "columns that are not known, and were not read") in told
    assert any(name == "Capa" and "was not read" not in text for name, text in told)


def test_other_kinds_of_file_are_refused_with_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "layout.pdf").write_text("01 REGISTRO.", encoding="utf-8")
    with pytest.raises(SheetError, match=r"is not read.*what is read: \.xlsx, \.xlsm and \.xls.*copybooks"):
        read_sheet(tmp_path / "layout.pdf")


def test_a_file_that_only_has_the_name_of_a_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04not a workbook")
    (tmp_path / "y.xls").write_bytes(b"\xd0\xcf\x11\xe0not a workbook")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(SheetError, match=r"not a readable workbook"):
            read_sheet(path)


def test_a_sheet_without_a_header_row_says_what_one_needs(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1;2;3\n4;5;6\n", encoding="utf-8")
    with pytest.raises(SheetError, match="a header row needs a column such as campo or nome"):
        read_sheet(tmp_path / "x.csv")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=150), min_size=1, max_size=4))
def test_whatever_a_description_holds_the_document_loads(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("sheet")
    path = folder / "x.csv"
    quoted = ['"' + text.replace('"', '""').replace("\x00", "") + '"' for text in texts]
    rows = [f"f{number};X(3);{text}" for number, text in enumerate(quoted)]
    path.write_text("\n".join(["campo;picture;descrição", *rows]), encoding="utf-8", newline="")
    layout = loaded(read_sheet(path), folder)
    assert [field.name for field in layout.versions[0].records[0].fields] == [f"f{n}" for n in range(len(texts))]
