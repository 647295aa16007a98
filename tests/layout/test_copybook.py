"""COBOL copybooks become layouts that load and read; what is not in characters, or moves, is refused with its line."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from atom_pipeline.layout.reading import read_file
from atom_pipeline.layout.sheet_files import SheetError
from atom_pipeline.layout.sheet_records import SheetLayout
from atom_pipeline.layout.sheets import read_sheet
from tests.layout.field_lists import doubts, loaded

FIXED = """\
      *****************************************************************
      * RETORNO DE COBRANCA
000100 01  RT-HEADER.                                                   PAN00001
000200     05  RT-TP-REG            PIC X       VALUE '0'.              PAN00002
      * GERACAO DDMMAAAA
           05  RT-DT-GERACAO        PIC 9(08).
           05  FILLER               PIC X(38)   VALUE SPACES.
       01  RT-DETALHE.
           05  RT-TIPO              PIC X       VALUE '1'.
           05  RT-CHAVE.
               10  RT-CONTRATO      PIC 9(10).
               10  RT-SEQ           PIC 9(02).
           05  RT-PARC  OCCURS 2 TIMES INDEXED BY IX-P.
               10  RT-VL            PIC 9(5)V99.
               10  RT-ST            PIC 9(2).
                   88 RT-ST-PAGA    VALUE 1.
                   88 RT-ST-ABERTA  VALUE 2 THRU 4.
           05  RT-SALDO             PIC S9(8)V99
                                    SIGN IS TRAILING SEPARATE CHARACTER.
           05  RT-UF                PIC XX      VALUE 'SP'.
           05  RT-LIVRE             PIC X(03).
"""
FREE = """\
*> layout de telefones
01 REG-TELEFONE.
  05 CPF-CNPJ PIC X(14). *> documento do cliente
  05 TELEFONE OCCURS 3.
    10 DDD PIC 99.
    10 NUMERO PIC 9(9).
    10 NOTA PIC 9 OCCURS 2.
  05 SITUACAO PIC X.
    88 SITUACAO-VALIDA VALUES 'A' 'B'.
    88 SITUACAO-ATIVA VALUE 'A'.
  05 TAXA PIC ZZ9,99.
  05 DATA-BASE PIC 99/99/9999.
"""


def copybook(tmp_path: Path, text: str, name: str = "retorno.cpy") -> SheetLayout:
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    return read_sheet(path)


def test_a_copybook_in_fixed_format_becomes_a_layout_that_reads_a_file(tmp_path: Path) -> None:
    layout = loaded(copybook(tmp_path, FIXED), tmp_path)
    header, detail = layout.versions[0].records
    assert (header.role.value, header.length, detail.length) == ("header", 47, 47)
    assert header.match is not None and (header.match.field, header.match.equals) == ("tp_reg", "0")
    assert detail.match is not None and (detail.match.field, detail.match.equals) == ("tipo", "1")
    assert header.field("dt_geracao").format == "DDMMAAAA"
    assert detail.field("parc_2_st").domain == {"01": "paga", "02": "aberta", "03": "aberta", "04": "aberta"}
    assert (detail.field("uf").default, detail.field("uf").equals) == ("SP", None)

    file = tmp_path / "retorno.txt"
    row = "1" + "0000000042" + "07" + "000123401" + "000500002" + "0000012345-" + "SP" + "   "
    file.write_bytes(f"0{'04082023'}{' ' * 38}\r\n{row}\r\n".encode("latin-1"))
    reading = read_file(layout, file, name=file.name, day=date(2023, 8, 4))
    assert reading.rows_refused == 0
    found = reading.frame().row(0, named=True)
    assert (found["contrato"], found["seq"], found["parc_1_vl"]) == ("0000000042", 7, Decimal("12.34"))
    assert (found["parc_2_st"], found["saldo"], found["uf"]) == ("02", Decimal("-123.45"), "SP")


def test_a_copybook_in_free_format_has_nested_groups_conditions_and_edited_pictures(tmp_path: Path) -> None:
    sheet = copybook(tmp_path, FREE, "telefones.txt")
    record = loaded(sheet, tmp_path).versions[0].records[0]
    assert [(field.name, field.width) for field in record.fields[:5]] == [
        ("cpf_cnpj", 14),
        ("telefone_1_ddd", 2),
        ("telefone_1_numero", 9),
        ("telefone_1_nota_1", 1),
        ("telefone_1_nota_2", 1),
    ]
    assert record.field("cpf_cnpj").description == "documento do cliente"
    assert record.field("situacao").domain == {"A": "ativa", "B": "valida"}
    assert (record.field("taxa").type.value, record.field("taxa").width) == ("text", 6)
    assert "edited" in doubts(sheet, "taxa")[0]  # a comma is no decimal mark without DECIMAL-POINT IS COMMA
    assert record.field("data_base").width == 10
    comma = copybook(tmp_path, f"SPECIAL-NAMES. DECIMAL-POINT IS COMMA.\n{FREE}", "telefones.cbl")
    taxa = loaded(comma, tmp_path).versions[0].records[0].field("taxa")
    assert (taxa.type.value, taxa.decimals, taxa.decimal_mark) == ("decimal", 2, ",")


def test_everything_that_cannot_be_read_is_refused_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
01 REG.
  05 A PIC X(10).
  05 B REDEFINES A.
     10 B1 PIC 9(10).
  05 C PIC S9(7)V99 COMP-3.
  05 D PIC S9(5).
  05 E PIC X OCCURS 1 TO 5 TIMES DEPENDING ON A.
  05 F PIC 9(4) USAGE IS BINARY.
  05 G.
  05 H PIC X(3) FOO.
  05 I PIC S9(3) SIGN LEADING.
  05 J PIC 9(3)PP.
  05 K PIC X OCCURS 120.
  05 L PIC N(10).
  66 R RENAMES A.
  COPY OUTRO.
"""
    with pytest.raises(SheetError) as refused:
        copybook(tmp_path, text)
    told = str(refused.value).splitlines()[1:]
    wanted = [
        (3, "B REDEFINES A: the same bytes would have two meanings"),
        (5, "C COMP-3 is not in characters"),
        (6, "D PIC S9(5) without SEPARATE puts the sign over a digit"),
        (7, "E OCCURS DEPENDING ON A"),
        (8, "F BINARY is not in characters"),
        (9, "G has neither a picture nor fields under it"),
        (10, "H: not understood: FOO"),
        (11, "I: SIGN LEADING without SEPARATE"),
        (12, "J PIC 9(3)PP: P scales"),
        (13, "K: OCCURS 120"),
        (14, "L PIC N(10): national characters"),
        (15, "RENAMES (level 66)"),
        (16, "COPY: put the text it stands for in its place"),
    ]
    assert [line.split(": ")[0] for line in told] == [f"retorno.cpy:{number}" for number, _ in wanted]
    for line, (_, text) in zip(told, wanted, strict=True):
        assert text in line


@pytest.mark.parametrize("usage", ["COMP", "COMP-5", "COMPUTATIONAL-3", "PACKED-DECIMAL", "POINTER"])
def test_a_usage_that_a_group_hands_down_is_refused(tmp_path: Path, usage: str) -> None:
    with pytest.raises(SheetError, match=rf"x\.cpy:2: G {usage} is not in characters"):
        copybook(tmp_path, f"01 R.\n 05 G USAGE {usage}.\n  10 A PIC 9(4).\n", "x.cpy")


def test_a_group_hands_its_sign_down(tmp_path: Path) -> None:
    text = "01 R.\n 05 G SIGN IS LEADING SEPARATE.\n  10 A PIC S9(4).\n  10 B PIC X(2).\n"
    record = loaded(copybook(tmp_path, text), tmp_path).versions[0].records[0]
    assert [(field.name, field.width, field.signed) for field in record.fields] == [("a", 5, "leading"), ("b", 2, "")]


def test_fields_without_a_record_above_them_are_one_record(tmp_path: Path) -> None:
    record = (
        loaded(copybook(tmp_path, "05 AA PIC X(3).\n05 BB PIC 9(2).\n", "parte.cob"), tmp_path).versions[0].records[0]
    )
    assert (record.name, record.length, [field.name for field in record.fields]) == ("parte", 5, ["aa", "bb"])


def test_a_condition_of_a_range_that_is_no_list_is_a_doubt(tmp_path: Path) -> None:
    sheet = copybook(tmp_path, "01 R.\n 05 NOTA PIC 9(4).\n  88 OK VALUE 1 THRU 5000.\n")
    assert any("a range of more than 100 codes" in doubt for doubt in doubts(sheet, "nota"))
    assert "domain" not in sheet.records[0].fields[0].keys


def test_a_file_without_any_item_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SheetError, match=r"vazio\.cpy:1: no data item"):
        copybook(tmp_path, "      * so comentario\n", "vazio.cpy")
