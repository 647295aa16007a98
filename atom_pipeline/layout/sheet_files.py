"""The sheets of a file as rows of text, whatever it was saved as: workbooks by a process of their own, delimited text.

Content decides, not the name: what a system exports as .xls is often tab separated text. Whatever a person does not see
on the sheet (hidden, struck out) is not read, and said. Which row is a header is in ``sheet_reading``.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from atom_pipeline.errors import AtomError
from atom_pipeline.layout.excel import MAX_COMPRESSED, MAX_UNCOMPRESSED
from atom_pipeline.layout.workbook import NoWorkbook, Sheet, TooLarge, every_sheet


class SheetError(AtomError):
    """A sheet that is no field list that can be read; the text says what can."""


@dataclass(frozen=True)
class Doubt:
    """What was not clear, where, and what was taken. ``row`` is the sheet's, from 1; 0 when it is about no row."""

    sheet: str
    row: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.sheet}:{self.row}" if self.row else self.sheet
        return f"{where}: {self.field}: {self.message}" if self.field else f"{where}: {self.message}"


READ = (
    "what is read: .xlsx, .xlsm and .xls (every visible sheet), .csv, .tsv and .txt, "
    "COBOL copybooks (.cpy, .cbl, .cob, .txt), and layouts (.yaml)"
)
WORKBOOKS = frozenset({".xlsx", ".xlsm", ".xls"})
TEXTS = frozenset({".csv", ".tsv", ".txt"})
Row = tuple[int, list[str]]  # number of the row, from 1; its cells
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff\ufffd-\uffff]+")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def content_of(path: Path) -> bytes:
    """The bytes of a file. Raises SheetError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_COMPRESSED + 1)
    except OSError as error:
        raise SheetError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_COMPRESSED:
        raise SheetError(f"{path.name}: more than {MAX_COMPRESSED} bytes: no list of fields is that large")
    return content


Header = Callable[[Sequence[str]], Mapping[int, object]]


def sheets_of(path: Path, doubts: list[Doubt], header: Header) -> list[tuple[str, list[Row]]]:
    """Every visible sheet by name. ``header`` has the columns of a header row: it decides what parts those of a text.

    Adds to ``doubts``. Raises SheetError when the file is none that is read.
    """
    suffix = path.suffix.lower()
    if suffix not in WORKBOOKS | TEXTS:
        hint = ": open it in a spreadsheet and save it as .xlsx" if suffix in {".ods", ".xlsb", ".numbers"} else ""
        raise SheetError(f"{path.name}: a {suffix or 'nameless'} file is not read{hint}; {READ}")
    content = content_of(path)
    if content.startswith((_ZIP, _OLE)):
        return _workbook(content, path, doubts)
    if suffix in WORKBOOKS and not _looks_like_text(content):
        raise SheetError(f"{path.name}: not a readable workbook; {READ}")
    if re.match(rb"\s*<(?:!doctype|html|table|\?xml)", content.removeprefix(codecs.BOM_UTF8), re.IGNORECASE):
        raise SheetError(f"{path.name}: a web page or XML inside: open it in a spreadsheet and save it as .xlsx")
    text = text_of(content, path)
    tries = [_rows_of(text, delimiter) for delimiter in ";,\t|"]
    best = max(tries, key=lambda rows: max((len(header(cells)) for _, cells in rows[:200]), default=0))
    return [(path.name, best)]


def text_of(content: bytes, path: Path) -> str:
    """A text file's characters: UTF-16 by its mark, else UTF-8, else Windows' (of which latin-1 is a part)."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
    if "\x00" in text:
        raise SheetError(f"{path.name}: not text; {READ}")
    return text


def clean(cell: object) -> str:
    """A cell's text without control characters, each run of blanks one."""
    return " ".join(_CONTROL.sub(" ", str(cell)).split()) if cell is not None else ""


def _looks_like_text(content: bytes) -> bool:
    head = content[:4096]
    return head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (b"\x00" not in head and b"\n" in head)


def _workbook(content: bytes, path: Path, doubts: list[Doubt]) -> list[tuple[str, list[Row]]]:
    try:
        if content.startswith(_ZIP):
            with zipfile.ZipFile(io.BytesIO(content)) as parts:
                size = sum(part.file_size for part in parts.infolist())
            if size > MAX_UNCOMPRESSED:
                raise SheetError(f"{path.name}: {size} bytes when unpacked: no list of fields is that large")
        sheets = every_sheet(content)
    except (zipfile.BadZipFile, NoWorkbook) as error:
        raise SheetError(f"{path.name}: not a readable workbook (has it a password?); {READ}") from error
    except TooLarge as error:
        raise SheetError(f"{path.name}: takes more memory or time than a list of fields may") from error
    out = []
    for sheet in sheets:
        if not sheet.visible:
            doubts.append(Doubt(sheet.name, 0, "", "the sheet is hidden: it was not read"))
            continue
        out.append((sheet.name, _as_seen(sheet, doubts)))
    return out


def _as_seen(sheet: Sheet, doubts: list[Doubt]) -> list[Row]:
    """The rows without what is hidden or struck out."""
    rows = {number: [_cell(cell) for cell in cells] for number, cells in sheet.rows}

    def told(number: int, text: str) -> None:
        doubts.append(Doubt(sheet.name, number, "", text))

    taken = {column: [_take(cells, column) for cells in rows.values()] for column in sheet.hidden_columns}
    hidden = [column for column, held in taken.items() if any(held)]
    if hidden:
        told(0, f"hidden columns were not read: {', '.join(map(_letters, hidden))}")
    struck = [(number, text) for number, column in sheet.struck if (text := _take(rows.get(number, []), column))]
    for number, of_row in groupby(struck, key=lambda one: one[0]):
        told(number, f"struck out, not read: {' | '.join(text for _, text in of_row)}")
    for number, column in sheet.uncalculated:
        _take(rows.get(number, []), column)
        text = "a formula without a result was taken for an empty cell: open the sheet, save it, and import it again"
        told(number, f"{_letters(column)}{number}: {text}")
    if not sheet.looked_at:
        told(0, "whether columns are hidden or text is struck out cannot be told in this file: look at it")
    unseen = [number for number in sheet.hidden_rows if any(rows.get(number, []))]
    if unseen:
        shown = ", ".join(map(str, unseen[:10])) + (", ..." if len(unseen) > 10 else "")
        told(unseen[0], f"hidden rows were read like the others (a filter hides rows too): {shown}")
    return sorted((number, cells) for number, cells in rows.items() if any(cells))


def _take(cells: list[str], column: int) -> str:
    """Empty a cell; what it held."""
    if column > len(cells):
        return ""
    held, cells[column - 1] = cells[column - 1], ""
    return held


def _letters(column: int) -> str:
    """A column's name in a spreadsheet: 1 is A, 28 is AB."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _cell(cell: str | None) -> str:
    """A cell's text; its line breaks, which part the codes of a domain, become ``; ``."""
    lines = (clean(line).strip(" ;") for line in (cell or "").splitlines())
    return "; ".join(line for line in lines if line)


def _rows_of(text: str, delimiter: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[Row] = []
    last = 0
    try:
        for cells in reader:
            rows.append((last + 1, [_cell(cell) for cell in cells]))
            last = reader.line_num
    except csv.Error:  # not parted by this one: a quote that never closes makes one huge cell
        return []
    return rows
