"""One line of a file with its fields named, as it stands and as it is read."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from small_layouts import DAY, delimited, fixed, with_ends

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.one_record import read_record

CONTRATO = {"name": "contrato", "width": 6, "type": "digits", "zero_pad": 6}
VALOR = {"name": "valor", "width": 7, "type": "decimal", "decimals": 2}
SEXO = {"name": "sexo", "width": 1, "domain": {"F": "feminino"}}
NOME = {"name": "nome", "width": 6, "personal": "name"}


def archived(folder: Path, content: bytes) -> Path:
    path = folder / "arquivo"
    path.write_bytes(content)
    return path


def record(layout: Layout, path: Path, line: int, **how: Any) -> list[tuple[str, str, Any, str | None]] | None:
    found = read_record(layout, path, line, name="arquivo", day=DAY, **how)
    return None if found is None else [(cell.field.name, cell.raw, cell.value, cell.meaning) for cell in found[1]]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_fixed_width_line_is_cut_into_its_fields(tmp_path: Path, end: bytes) -> None:
    layout = fixed(CONTRATO, VALOR, SEXO, NOME)
    path = archived(tmp_path, end.join([b"0000010000100FANA   ", b"   7770012345XJO\xc3O  ", b""]))
    assert record(layout, path, 2) == [
        ("contrato", "777", "000777", None), ("valor", "0012345", Decimal("123.45"), None), ("sexo", "X", "X", None),
        ("nome", "JOÃO", "JOÃO", None),
    ]  # fmt: skip
    first = record(layout, path, 1)
    assert first is not None and first[2] == ("sexo", "F", "F", "feminino")
    assert record(layout, path, 3) is None


def test_a_line_of_a_file_without_line_breaks_is_a_record_and_a_header_is_named_too(tmp_path: Path) -> None:
    layout = fixed(CONTRATO, VALOR, newline="none")
    path = archived(tmp_path, b"00000100001000000020000200")
    assert record(layout, path, 2) == [("contrato", "000002", "000002", None), ("valor", "0000200", Decimal(2), None)]
    ends = with_ends()
    path = archived(tmp_path, b"020261123\r\n100150\r\n90000001\r\n")
    assert read_record(ends, path, 1, name="a", day=DAY) is not None
    found = read_record(ends, path, 2, name="a", day=DAY)
    assert found is not None and found[0] == "d" and found[1][1].value == Decimal("1.50")


def test_a_delimited_line_is_read_by_the_titles_of_its_file_whatever_their_order(tmp_path: Path) -> None:
    layout = delimited({"name": "contrato"}, {"name": "nome"}, {"name": "taxa", "type": "decimal", "decimals": 2,
                       "decimal_mark": ","})  # fmt: skip
    path = archived(tmp_path, 'nome;taxa;contrato\r\nA;1,50;1\r\n"B;\r\nC";x;2\r\nD;;3\r\n'.encode("latin-1"))
    assert record(layout, path, 2) == [("contrato", "1", "1", None), ("nome", "A", "A", None),
                                       ("taxa", "1,50", Decimal("1.50"), None)]  # fmt: skip
    assert record(layout, path, 1) is None
    assert record(layout, path, 5) == [("contrato", "3", "3", None), ("nome", "D", "D", None), ("taxa", "", None, None)]
    over_two_lines = record(layout, path, 3)
    assert over_two_lines is not None and over_two_lines[0][1] == "2" and over_two_lines[2] == ("taxa", "x", None, None)
    with pytest.raises(FileRefused, match="colunas"):
        record(layout, archived(tmp_path, b"outro;taxa;contrato\r\nA;1;2\r\n"), 2)


def test_a_delimited_file_without_titles_has_the_layouts_order(tmp_path: Path) -> None:
    layout = delimited({"name": "contrato"}, {"name": "nome"}, header=False)
    path = archived(tmp_path, b"1;A\r\n2;B\r\n")
    assert record(layout, path, 2) == [("contrato", "2", "2", None), ("nome", "B", "B", None)]


def test_a_row_of_a_workbook_is_read_as_the_whole_sheet_is(tmp_path: Path) -> None:
    names = [{"pattern": "pequeno_<AAAAMMDD>.xlsx", "excel": True}]
    layout = delimited({"name": "contrato"}, {"name": "dia", "type": "date", "format": "DD/MM/AAAA"}, names=names)
    path = tmp_path / "planilha.xlsx"
    with xlsxwriter.Workbook(path, {"default_date_format": "dd/mm/yyyy"}) as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate([("contrato", "dia"), ("000001", DAY), ("000002", date(2026, 11, 24))]):
            for column, cell in enumerate(cells):
                sheet.write(row, column, cell)
    assert record(layout, path, 3, excel=True) == [
        ("contrato", "000002", "000002", None),
        ("dia", "2026-11-24", date(2026, 11, 24), None),
    ]  # fmt: skip
    assert record(layout, path, 9, excel=True) is None
