"""What a workbook holds, as text, read by a process of its own with a limit of memory and of time.

A workbook of a few kilobytes can ask for hundreds of gigabytes: a part that inflates without end, one cell in the last
row and the last column, one long text that a million cells share (FAULTS 17). The native library that reads it then
ends the process it is in, so it gets one of its own. What the cells mean is in ``excel`` (rows of data) and in
``sheet_reading`` (lists of fields).

This file is also what that process runs, so it imports nothing of this application.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

MEMORY = 2 * 1024 * 1024 * 1024  # bytes of address space, 0.4 GB of them Python's own; 100,000 rows of refin take 0.7
SECONDS = 120
_UNREADABLE = 3  # exit code
_EVERY_SHEET = "every-sheet"


class NoWorkbook(ValueError):
    """The bytes are no workbook that can be read."""


class TooLarge(ValueError):
    """The workbook asks for more than its limits of memory or of time."""


@dataclass
class Sheet:
    """One sheet as a person sees it. Rows and columns are counted from 1.

    ``rows`` are those with a value, by number: their cells as text, "" where there is none. A cell that is merged
    downwards has its value in each of its rows. ``hidden_columns``, ``struck`` and ``uncalculated`` (row and column
    of a text struck out, of a formula without a result) are known of .xlsx and .xlsm alone.
    """

    name: str
    visible: bool
    rows: list[tuple[int, list[str]]]
    hidden_columns: list[int] = field(default_factory=list)
    hidden_rows: list[int] = field(default_factory=list)
    struck: list[tuple[int, int]] = field(default_factory=list)
    uncalculated: list[tuple[int, int]] = field(default_factory=list)
    looked_at: bool = False  # whether anything is known of what is hidden and struck out


def first_sheet(content: bytes) -> pl.DataFrame:
    """Every cell of the first sheet as text, blanks around it removed, null where nothing is left; no header row.

    Rows and columns that have no value are there, but for those after the last that has one. Raises NoWorkbook and
    TooLarge.
    """
    return pl.read_ipc_stream(io.BytesIO(_asked(content)))


def every_sheet(content: bytes) -> list[Sheet]:
    """Every sheet of an .xlsx, .xlsm or .xls, hidden ones too. Raises NoWorkbook and TooLarge."""
    told = json.loads(_asked(content, _EVERY_SHEET))
    return [Sheet(**{**one, "rows": [(number, cells) for number, cells in one["rows"]]}) for one in told]


def _asked(content: bytes, *what: str) -> bytes:
    try:
        done = subprocess.run(
            [sys.executable, "-P", __file__, *what], input=content, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TooLarge(f"{SECONDS} segundos") from error
    if done.returncode == _UNREADABLE:
        raise NoWorkbook("not a workbook that can be read")
    if done.returncode != 0:
        raise TooLarge(f"{MEMORY} bytes de memória")
    return done.stdout


def _read(what: str) -> int:
    """In the process of its own: standard input to standard output. Returns its exit code."""
    import resource

    import fastexcel

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = sys.stdin.buffer.read()
    try:
        if what == _EVERY_SHEET:
            sheets = [asdict(sheet) for sheet in _sheets(content)]
            sys.stdout.buffer.write(json.dumps(sheets).encode())
        else:
            sheet = fastexcel.read_excel(content).load_sheet(0, header_row=None, dtypes="string")
            _trimmed(sheet.to_polars()).write_ipc_stream(sys.stdout.buffer)
    except fastexcel.FastExcelError:
        return _UNREADABLE
    return 0


def _trimmed(frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.select(pl.all().cast(pl.String).str.strip_chars())
    frame = frame.select(pl.when(pl.all() != "").then(pl.all()))
    if not frame.width:
        return frame
    used = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
    return frame.head(int(used[-1]) + 1 if len(used) else 0)


def _sheets(content: bytes) -> list[Sheet]:
    if content.startswith(b"PK"):
        # a style or part that the library does not take: the values alone are read then, and `looked_at` says so
        with suppress(ValueError, TypeError, KeyError, AttributeError, IndexError, SyntaxError, zipfile.BadZipFile):
            return _seen_sheets(content)
    return _plain_sheets(content)


def _plain_sheets(content: bytes) -> list[Sheet]:
    """The values alone."""
    import fastexcel

    reader = fastexcel.read_excel(content)
    sheets = []
    for name in reader.sheet_names:
        # skip_rows=0 keeps blank rows at the top, so that a row's number is the one a person sees
        loaded = reader.load_sheet(name, header_row=None, dtypes="string", skip_rows=0)
        rows = [(number, [cell or "" for cell in row]) for number, row in enumerate(loaded.to_polars().rows(), start=1)]
        sheets.append(Sheet(name, loaded.visible == "visible", [(number, row) for number, row in rows if any(row)]))
    return sheets


def _seen_sheets(content: bytes) -> list[Sheet]:
    """Values, and what they alone do not tell: merged, hidden and struck out cells, formulas never calculated."""
    import warnings

    from openpyxl import load_workbook
    from openpyxl.utils import column_index_from_string

    with warnings.catch_warnings():  # of extensions it does not keep, which nothing here needs
        warnings.simplefilter("ignore")
        book = load_workbook(io.BytesIO(content))
        results = load_workbook(io.BytesIO(content), data_only=True)
    sheets = []
    for seen in book.worksheets:
        sheet = Sheet(seen.title, seen.sheet_state == "visible", [], looked_at=True)
        rows: dict[int, list[str]] = {}
        # its own table of the cells that there are: a stray one in the last row makes every other way endless
        for (row, column), cell in sorted(seen._cells.items()):
            result = results[seen.title]._cells.get((row, column))
            text = _text(result.value if result is not None else None)
            if cell.data_type == "f" and text in {"", "0"}:
                sheet.uncalculated.append((row, column))
            if text and cell.font is not None and cell.font.strike:
                sheet.struck.append((row, column))
            if text:
                cells = rows.setdefault(row, [])
                cells += [""] * (column - len(cells))
                cells[column - 1] = text
        for merged in seen.merged_cells.ranges:
            _fill_down(rows, merged)
        for letter, dimension in seen.column_dimensions.items():
            if dimension.hidden:
                first = dimension.min or column_index_from_string(letter)
                sheet.hidden_columns += range(first, min(dimension.max or first, seen.max_column) + 1)
        sheet.hidden_rows += [number for number, row in seen.row_dimensions.items() if row.hidden]
        sheet.rows = sorted(rows.items())
        sheets.append(sheet)
    return sheets


def _text(value: object) -> str:
    """A cell's value as a person reads it: 10.0 is 10."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _fill_down(rows: dict[int, list[str]], merged: Any) -> None:
    """The value of cells that are merged downwards, in each of their rows; one merged across rows and columns stays."""
    top = rows.get(merged.min_row, [])
    value = top[merged.min_col - 1] if merged.min_col <= len(top) else ""
    if not value or merged.min_col != merged.max_col:
        return
    for number, cells in rows.items():
        if merged.min_row < number <= merged.max_row:
            cells += [""] * (merged.min_col - len(cells))
            cells[merged.min_col - 1] = cells[merged.min_col - 1] or value


if __name__ == "__main__":
    sys.exit(_read("".join(sys.argv[1:])))
