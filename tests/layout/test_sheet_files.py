"""Field lists as a bank's analyst leaves them: what is seen is read, what is hidden or struck out is told."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
import xlsxwriter

from atom_pipeline.layout.sheet_files import SheetError
from atom_pipeline.layout.sheet_records import SheetLayout
from atom_pipeline.layout.sheets import read_sheet
from tests.layout.field_lists import TITLES, Cells, doubts, loaded, sheet_of, text_list

XLS = Path(__file__).parent / "data" / "detalhe.xls"  # Excel 97: merged and coloured titles, a formula without a result


def analysts_workbook(path: Path) -> Path:
    """Colours, notes, hidden column and row, numbers as text, formulas, text struck out, codes apart."""
    book = xlsxwriter.Workbook(str(path))
    title = book.add_format({"bold": True, "bg_color": "#1F3864", "font_color": "white", "align": "center"})
    old = book.add_format({"font_strikeout": True})
    cover = book.add_worksheet("Capa")
    cover.merge_range("B2:F3", "BANCO EXEMPLO S.A. - Layout de Cobrança v3.2", title)
    for row, (when, who, what) in enumerate([("Data", "Autor", "Alteração"), ("01/02/2024", "Equipe", "Criação")]):
        cover.write_row(5 + row, 1, [when, who, what])
    sheet = book.add_worksheet("Detalhe")
    sheet.merge_range("B1:J1", "LAYOUT DE RETORNO", title)
    sheet.merge_range("B2:J2", "Registro Detalhe (tipo 1) - 60 bytes", title)
    for column, text in (("B4:B5", "Campo"), ("D4:E4", "Posição"), ("F4:F5", "Tam."), ("G4:G5", "Tipo")):
        sheet.merge_range(column, text, title)
    sheet.merge_range("H4:H5", "Casas\nDec.", title)
    sheet.write("C4", "Tamanho", title)  # of the old version: hidden
    sheet.set_column("C:C", None, None, {"hidden": True})
    sheet.write_row("D5", ["De", "Até"], title)
    sheet.write_row("I4", ["Obrig.", "Observação"], title)
    rows: list[Cells] = [
        ["Tipo de Registro", 9, "001", "001", 1.0, "A", None, "S", "Fixo '1'"],
        ["Nº do Contrato", 9, 2, 11, "10.0", "N", 0.0, "S", "Alinhado à direita"],
        ["DADOS FINANCEIROS"],
        ["Vl. Devido", 9, "12", "24", 13, "N", "2.0", "S", "(1)"],
        ["Dt. Vencto", 9, 25, 32, 8, "N", None, "N", "DDMMAAAA"],
        ["Situação", 9, 33, 34, 2, "A", None, "N", "Ver aba Domínios"],
        ["Uso antigo", 9, 35, 44, 10, "A", None, "N", None],
        ["Filler", 9, 35, None, None, "A", None, "N", "Brancos"],
    ]
    for number, row in enumerate(rows, start=5):
        for place, cell in enumerate(row, start=1):
            sheet.write(number, place, cell, old if row[0] == "Uso antigo" else None)
    sheet.write_formula("E13", "=D13+25", None, 60)
    sheet.write_formula("F13", "=E13-D13+1")  # never calculated
    sheet.set_row(9, None, None, {"hidden": True})
    sheet.write("B15", "(1) Sem separador de decimais.")
    sheet.write("B16", "Fonte:")
    sheet.write("C16", "Diretoria")
    codes = book.add_worksheet("Domínios")
    codes.write_row("A1", ["Campo", "Código", "Descrição"])
    codes.merge_range("A2:A3", "Situação")
    codes.write_row("B2", ["AT", "Ativo"])
    codes.write_row("B3", ["BX", "Baixado"])
    codes.write_row("A4", ["Outro", "9", "De outro arquivo"])
    book.add_worksheet("Rascunho").hide()
    book.close()
    return path


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> SheetLayout:
    """The analyst's workbook as it was read; it was saved as one with macros."""
    made = analysts_workbook(tmp_path_factory.mktemp("sheet") / "retorno v3.xlsx")
    return read_sheet(made.rename(made.with_suffix(".xlsm")))


def test_an_analysts_workbook_becomes_the_layout_that_is_seen_on_it(seen: SheetLayout, tmp_path: Path) -> None:
    record = loaded(seen, tmp_path).versions[0].records[0]
    assert [(field.name, field.width, field.type.value) for field in record.fields] == [
        ("tipo_de_registro", 1, "text"),
        ("numero_do_contrato", 10, "digits"),
        ("vl_devido", 13, "decimal"),
        ("dt_vencto", 8, "date"),
        ("situacao", 2, "text"),
        ("filler", 26, "text"),
    ]
    assert (record.length, record.field("vl_devido").decimals) == (60, 2)
    assert record.field("dt_vencto").format == "DDMMAAAA"
    assert record.field("situacao").domain == {"AT": "Ativo", "BX": "Baixado"}
    assert [field.required for field in record.fields] == [True, True, True, False, False, False]


def test_what_is_not_seen_or_not_understood_of_a_workbook_is_told(seen: SheetLayout) -> None:
    told = "\n".join(str(doubt) for doubt in seen.all_doubts())
    for text in (
        "Detalhe: hidden columns were not read: C",
        "Detalhe:12: struck out, not read: Uso antigo | 35 | 44 | 10 | A | N",
        "Detalhe:13: F13: a formula without a result was taken for an empty cell",
        "Detalhe:10: hidden rows were read like the others",
        "Detalhe:8: stands alone, taken for a title or a note: DADOS FINANCEIROS",
        "(1) Sem separador de decimais.",
        "Fonte:",
        "Domínios:2: codes of no field that is known (outro): not read",
        "Rascunho: the sheet is hidden: it was not read",
        "Capa: no header row",
    ):
        assert text in told, f"{text} not in:\n{told}"


def test_an_excel_97_workbook_is_read(tmp_path: Path) -> None:
    sheet = read_sheet(XLS)
    record = loaded(sheet, tmp_path).versions[0].records[0]
    assert [(field.name, start + 1, stop, field.type.value) for field, start, stop in record.spans()] == [
        ("tp_reg", 1, 1, "text"),
        ("nr_contrato", 2, 11, "digits"),
        ("vl_aberto", 12, 24, "decimal"),
        ("dt_vencto", 25, 32, "date"),
        ("filler", 33, 40, "text"),
    ]
    told = "\n".join(str(doubt) for doubt in sheet.doubts)
    assert "cannot be told in this file" in told
    assert "Antigo: the sheet is hidden" in told


@pytest.mark.parametrize(
    ("suffix", "encoding", "delimiter"),
    [
        (".csv", "utf-8", ";"),
        (".csv", "utf-8-sig", ","),
        (".csv", "latin-1", ";"),
        (".txt", "latin-1", "\t"),
        (".tsv", "utf-16", "\t"),
        (".xls", "cp1252", "\t"),
    ],
)
def test_text_in_any_usual_encoding_and_delimiter_is_read(
    tmp_path: Path, suffix: str, encoding: str, delimiter: str
) -> None:
    rows = [["Descrição", "Início", "Fim", "Campo"], ["Situação", "1", "2", "sit"], ["Ação", "3", "5", "acao"]]
    path = tmp_path / f"lista{suffix}"
    path.write_bytes("\r\n".join(delimiter.join(row) for row in rows).encode(encoding))
    record = loaded(read_sheet(path), tmp_path).versions[0].records[0]
    assert [(field.name, field.width, field.description) for field in record.fields] == [
        ("sit", 2, "Situação"),
        ("acao", 3, "Ação"),
    ]


def test_a_web_page_with_the_name_of_a_workbook_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "lista.xls"
    path.write_bytes(codecs.BOM_UTF8 + b"<html><table><tr><td>Campo</td></tr></table></html>\n")
    with pytest.raises(SheetError, match=r"web page.*save it as \.xlsx"):
        read_sheet(path)


@pytest.mark.parametrize(
    "places",
    [
        ["001-010", "011", "012 a 020"],
        ["1 a 10", "11 a 11", "12 até 20"],
        ["de 1 a 10", "11-11", "12/20"],
        ["[1:10]", "11", "12 to 20"],
        ["1 – 10", "11 – 11", "12 – 20"],
    ],
)
def test_both_positions_in_one_cell_are_read(tmp_path: Path, places: list[str]) -> None:
    rows: list[Cells] = [[place, name, "X"] for place, name in zip(places, "abc", strict=True)]
    sheet = sheet_of(tmp_path, *rows, titles=["Posição (de/até)", "Campo", "Tipo"])
    assert [(item.start, item.width, item.doubts) for item in sheet.records[0].fields] == [
        (1, 10, []),
        (11, 1, []),
        (12, 9, []),
    ]


def test_a_header_repeated_on_each_page_goes_on_with_the_same_record(tmp_path: Path) -> None:
    rows: list[Cells] = [TITLES, ["a", 1, 5, 5, "X"], [], TITLES, ["b", 6, 9, 4, "X"], [], TITLES, ["a", 1, 9, 9, "X"]]
    sheet = read_sheet(text_list(tmp_path / "paginas.csv", *rows))
    assert [[item.name for item in record.fields] for record in sheet.records] == [["a", "b"], ["a"]]


@pytest.mark.parametrize(
    ("width", "decimals"),
    [("15,2", None), ("13+2", None), ("13v2", None), (15.0, 2.0), ("15 bytes", "02")],
)
def test_a_width_is_read_as_people_write_it(tmp_path: Path, width: object, decimals: object) -> None:
    sheet = sheet_of(tmp_path, ["valor", width, decimals, "N"], titles=["Campo", "Tamanho", "Decimais", "Tipo"])
    field = loaded(sheet, tmp_path).versions[0].records[0].field("valor")
    assert (field.width, field.decimals) == (15, 2)


@pytest.mark.parametrize("width", ["99", "9.0", "9", "999"])
def test_a_length_of_nines_is_no_picture(tmp_path: Path, width: str) -> None:
    sheet = sheet_of(tmp_path, ["cod_plano", width, "X"], titles=["Campo", "Tamanho", "Tipo"])
    field = sheet.records[0].fields[0]
    assert (field.width, field.type.value, field.doubts) == (int(float(width)), "text", [])


def test_a_field_that_repeats_becomes_a_group(tmp_path: Path) -> None:
    titles: Cells = ["Campo", "Início", "Fim", "Tamanho", "Tipo", "Ocorrências"]
    sheet = sheet_of(
        tmp_path,
        ["contrato", 1, 10, 10, "N", None],
        ["parcela", 11, 22, 4, "N", 3],
        ["uf", 23, 24, 2, "X", 1],
        titles=titles,
    )
    record = loaded(sheet, tmp_path).versions[0].records[0]
    assert [(field.name, start, stop) for field, start, stop in record.spans()] == [
        ("contrato", 0, 10),
        ("parcela_1_parcela", 10, 14),
        ("parcela_2_parcela", 14, 18),
        ("parcela_3_parcela", 18, 22),
        ("uf", 22, 24),
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("A/N", "text"),
        ("N - Numérico", "digits"),
        ("AN", "text"),
        ("Alfa-numérico", "text"),
        ("Num.", "digits"),
        ("9", "digits"),
    ],
)
def test_types_are_known_by_what_people_call_them(tmp_path: Path, text: str, kind: str) -> None:
    sheet = sheet_of(tmp_path, ["cod_loja", 1, 2, 2, text])
    assert (sheet.records[0].fields[0].type.value, doubts(sheet, "cod_loja")) == (kind, [])


def test_a_stray_cell_in_the_last_row_and_column_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lista.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    for number, row in enumerate([["Campo", "Tamanho", "Tipo"], ["uf", 2, "X"]]):
        sheet.write_row(number, 0, row)
    sheet.write(2**20 - 1, 2**14 - 1, "x")
    book.close()
    assert [item.name for item in read_sheet(path).records[0].fields] == ["uf"]
