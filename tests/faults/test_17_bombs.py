"""Fault 17: one line of 2 GB, a compressed bomb under a layout's name: a limit, bounded memory, the file refused."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter
from agency import Agency, agency
from aurora import NewDatabase
from killing import Nursery, Work

from atom_pipeline.layout.excel import MAX_UNCOMPRESSED
from atom_pipeline.layout.workbook import MEMORY
from resources.ledger_records import NewFile
from resources.panel import day_panel
from resources.settings import PROJECT_ROOT

DAY = date(2026, 11, 10)
SHEET = "xl/worksheets/sheet1.xml"
# What reading all of them may ask for besides what the process has before. Each of them needs more, were it read whole;
# a workbook is opened in a process of its own.
MOST_MEMORY = 1 << 30
LAYOUTS = ("remessa_assessoria", "batimento", "refin")
SHORT = "20261109_200000_remessa_528_out.528"
LINE = {"remessa_assessoria": "20261109_190000_remessa_528_out.528", "batimento": "bat_carteira_veic_10112026_528.csv"}
GZIP = "20261109_193000_remessa_528_out.528"


def workbook(house: Agency, *cells: tuple[int, int, str]) -> bytes:
    """A workbook with the titles of refin, and cells at (row, column)."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target)
    sheet = book.add_worksheet()
    for column, field in enumerate(house.runtime.catalogue.layouts["refin"].version_on(DAY).details[0].fields):
        sheet.write_string(0, column, field.title or field.name)
    for row, column, text in cells:
        sheet.write_string(row, column, text)
    book.close()
    return target.getvalue()


def one_cell_at_the_far_end(house: Agency) -> bytes:
    """A few kilobytes that ask for every cell there can be, 17 thousand million of them."""
    return workbook(house, (2**20 - 1, 2**14 - 1, "x"))


def one_text_in_many_cells(house: Agency) -> bytes:
    """A few kilobytes that ask for 3 GB: a workbook keeps a text once, whatever the cells that have it."""
    content, many = workbook(house, (1, 0, "x" * 32_000)), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(many, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.infolist():
            data = before.read(part)
            if part.filename == SHEET:
                (which,) = re.findall(rb'<c r="A2" t="s"><v>(\d+)</v></c>', data)
                row = b'<row><c t="s"><v>' + which + b"</v></c></row>"
                data = data.replace(b"</sheetData>", row * 100_000 + b"</sheetData>")
            after.writestr(part.filename, data)
    return many.getvalue()


def said_to_inflate(house: Agency) -> bytes:
    """A workbook the directory of which says that its sheet has 2 GB."""
    content = bytearray(workbook(house))
    for entry in re.finditer(b"PK\x01\x02", bytes(content)):
        if content[entry.start() + 46 :][: len(SHEET)] == SHEET.encode():
            struct.pack_into("<I", content, entry.start() + 24, 2 << 30)
    return bytes(content)


def compressed(_: Agency) -> bytes:
    """256 MB of nothing, in 250 kB."""
    return gzip.compress(bytes(1 << 28))


BOOKS: dict[str, tuple[Callable[[Agency], bytes], str]] = {
    "refin_carteira_veic_101126060001.xlsx": (
        one_cell_at_the_far_end,
        f"a planilha pede mais do que {MEMORY} bytes de memória para ser aberta",
    ),
    "refin_carteira_veic_101126060002.xlsx": (
        one_text_in_many_cells,
        f"a planilha pede mais do que {MEMORY} bytes de memória para ser aberta",
    ),
    "refin_carteira_veic_101126060003.xlsx": (
        said_to_inflate,
        f"bytes descompactada; o limite é {MAX_UNCOMPRESSED}",
    ),
    "refin_carteira_veic_101126060004.xlsx": (compressed, "o arquivo não é uma planilha .xlsx legível"),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase, children: Nursery) -> Iterator[Agency]:
    """A day that has all of them, read in a process with little memory."""
    home, postgres_url = tmp_path_factory.mktemp("bombs") / "home", new_database()
    with agency(home, postgres_url) as one:
        for name, (make, _) in BOOKS.items():
            one.put_bytes(name, make(one))
        one.put_bytes(GZIP, compressed(one))
        one.put_bytes(SHORT, b"x\n" * 3_000_000)
        report = one.collect()
        assert not report.errors and len(report.collected) == len(BOOKS) + 2, report
        for layout, name in LINE.items():
            collected(one, layout, name)
        now = "2026-11-10T06:45:00-03:00"
        layouts, portfolio = str(PROJECT_ROOT / "layouts"), one.runtime.name
        read = Work(
            "read_files", str(home), layouts, portfolio, postgres_url, now, f"{DAY}", LAYOUTS, most_memory=MOST_MEMORY
        )
        done = children.run(read)
        assert done.success, done.failures
        yield one


def collected(house: Agency, layout: str, name: str) -> None:
    """A file of one line of 2 GB, collected: as the collector leaves it, without the minute that copying it takes."""
    place = f"{DAY}/{layout}/{name}"
    archived: Path = house.runtime.archive / place
    archived.parent.mkdir(parents=True, exist_ok=True)
    with archived.open("wb") as file:
        file.truncate(2 << 30)
    house.runtime.ledger.record_file(NewFile(name, layout, DAY, sha256="0" * 64, size=2 << 30, archived_path=place))


def refusal(house: Agency, name: str) -> str:
    """Why a file was refused, as the ledger keeps it and the day's panel shows it; nothing of it was used."""
    (panel,) = (file for file in day_panel(house.runtime, DAY).files if file.name == name)
    assert (panel.status, panel.accepted) == ("RECUSADO", 0)
    assert panel.reason is not None and panel.reason.startswith(name)
    for layout in LAYOUTS:
        assert house.table(f"recebido/{layout}", DAY).is_empty()
    return panel.reason


@pytest.mark.parametrize("name", list(LINE.values()))
def test_one_line_of_2_gb_is_refused_at_its_first_megabyte(house: Agency, name: str) -> None:
    assert f"{name}:1: LINHA_LONGA: a linha tem mais de 1048576 bytes" in refusal(house, name)


@pytest.mark.parametrize("name", list(BOOKS))
def test_a_workbook_that_asks_for_too_much_is_refused_and_the_process_lives(house: Agency, name: str) -> None:
    why = refusal(house, name)
    assert "FORA_DO_LAYOUT: " in why and BOOKS[name][1] in why


def test_a_compressed_file_under_a_text_layouts_name_is_read_as_it_is_and_refused(house: Agency) -> None:
    assert "CABECALHO_DIVERGE: falta o cabeçalho" in refusal(house, GZIP)


def test_millions_of_lines_that_are_none_are_counted_and_not_kept(house: Agency) -> None:
    why = "FORA_DO_LAYOUT: 3000000 das 3000000 linhas a partir da 1 não são do layout"
    assert f"{SHORT}:1: {why}" in refusal(house, SHORT)
