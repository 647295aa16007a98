"""Field lists as people write them in .xlsx and .csv, as rows of cells by what each column says.

Finding the header row belongs here: title rows above it, two rows of titles, several lists on one sheet. What a cell
means is in ``sheet_fields`` and ``sheet_places``; the layout that comes of it is made in ``sheets``. Whatever was not
read is a doubt, with its sheet and row.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from atom_pipeline.errors import AtomError
from atom_pipeline.layout.excel import MAX_UNCOMPRESSED
from atom_pipeline.layout.sheet_words import Column, column_of


class SheetError(AtomError):
    """A sheet that is no field list that can be read; the text says what can."""


_SPEAK_OF_FIELDS = frozenset(Column) - {Column.NAME, Column.ORDER, Column.RECORD}
_SUFFIXES = frozenset({".xlsx", ".csv"})
_READ = "what is read: .xlsx (every visible sheet) and .csv"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff\ufffd-\uffff]+")


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


@dataclass(frozen=True)
class FieldRow:
    """One field as the sheet has it: its cells by column, those that are filled."""

    number: int
    cells: Mapping[Column, str]

    def __getitem__(self, column: Column) -> str:
        return self.cells.get(column, "")


@dataclass(frozen=True)
class FieldList:
    """The fields of one record type: the rows under one header row, and the titles above it, nearest last."""

    sheet: str
    titles: tuple[str, ...]
    columns: frozenset[Column]
    rows: tuple[FieldRow, ...]


@dataclass
class Workbook:
    """Every field list of a file, in order, and what was not read of it."""

    lists: list[FieldList] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)


Row = tuple[int, list[str]]  # number of the row, from 1; its cells


def read_field_lists(path: Path) -> Workbook:
    """The field lists of an .xlsx or .csv. Raises SheetError when it is another kind of file, or holds none."""
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        hint = ": open it in a spreadsheet and save it as .xlsx" if suffix in {".xls", ".ods", ".xlsb", ".xlsm"} else ""
        what = "a COBOL copybook" if suffix in {".cpy", ".cbl", ".cob", ".cobol"} else f"a {suffix or 'nameless'} file"
        raise SheetError(f"{path.name}: {what} is not read{hint}; {_READ}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SheetError(f"{path}: cannot be read: {error.strerror}") from error
    book = Workbook()
    sheets = _csv(content, path) if suffix == ".csv" else _xlsx(content, path, book)
    for name, rows in sheets:
        found = list(_lists_of(name, rows, book))
        if not found and any(any(cells) for _, cells in rows):
            text = "no header row with the field's name and its place, type or description: the sheet was not read"
            book.doubts.append(Doubt(name, 0, "", text))
        book.lists += found
    if not book.lists:
        raise SheetError(
            f"{path.name}: no field list: a header row needs a column such as campo or nome, and others such as "
            "início, fim, tamanho, tipo, formato, descrição"
        )
    return book


def _clean(cell: object) -> str:
    return " ".join(_CONTROL.sub(" ", str(cell)).split()) if cell is not None else ""


def _xlsx(content: bytes, path: Path, book: Workbook) -> Iterator[tuple[str, list[Row]]]:
    import fastexcel  # loads a native library, which most commands never need

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > MAX_UNCOMPRESSED:
            raise SheetError(f"{path.name}: {size} bytes when unpacked: no list of fields is that large")
        reader = fastexcel.read_excel(content)
        for name in reader.sheet_names:
            # skip_rows=0 keeps blank rows at the top, so that a row's number is the one a person sees
            sheet = reader.load_sheet(name, header_row=None, dtypes="string", skip_rows=0)
            if sheet.visible != "visible":
                book.doubts.append(Doubt(name, 0, "", "the sheet is hidden: it was not read"))
                continue
            rows = sheet.to_polars().rows()
            yield name, [(number, [_cell(cell) for cell in row]) for number, row in enumerate(rows, start=1)]
    except (zipfile.BadZipFile, fastexcel.FastExcelError) as error:
        raise SheetError(f"{path.name}: not a readable .xlsx; {_READ}") from error


def _cell(cell: str | None) -> str:
    """A cell's text; its line breaks, which part the codes of a domain, become ``; ``."""
    lines = (_clean(line).strip(" ;") for line in (cell or "").splitlines())
    return "; ".join(line for line in lines if line)


def _csv(content: bytes, path: Path) -> Iterator[tuple[str, list[Row]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if "\x00" in text:
        raise SheetError(f"{path.name}: not text; {_READ}")
    tries = [_rows_of(text, delimiter) for delimiter in ";,\t|"]
    best = max(tries, key=lambda rows: max((len(_header(cells)) for _, cells in rows[:200]), default=0))
    yield path.name, best


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


def _header(cells: Sequence[str]) -> dict[int, Column]:
    """The columns of a header row by their place; empty when the row is none. Titles that say nothing are left out."""
    found = {place: column for place, cell in enumerate(cells) if cell and (column := column_of(cell))}
    says = set(found.values())
    filled = sum(1 for cell in cells if cell)
    numbers = any(re.fullmatch(r"[\d.,]+", cell) for cell in cells if cell)
    good = Column.NAME in says or (Column.DESCRIPTION in says and bool({Column.START, Column.WIDTH} & says))
    return found if good and says & _SPEAK_OF_FIELDS and len(found) * 2 >= filled and not numbers else {}


def _lists_of(sheet: str, rows: Sequence[Row], book: Workbook) -> Iterator[FieldList]:
    """The field lists of one sheet: each begins with a header row."""
    columns: dict[int, Column] = {}
    titles: list[str] = []  # of the list that is being read
    alone: list[tuple[int, str]] = []  # rows of one text: titles of the next list, or notes
    body: list[Row] = []
    steps = iter(enumerate(rows))
    for place, (number, cells) in steps:
        filled = [cell for cell in cells if cell]
        found = _header(cells)
        if found:
            yield from _finished(sheet, titles, columns, body, book)
            titles, alone, body = [text for _, text in alone], [], []
            columns, lower = _with_second_row(found, rows[place + 1 : place + 2])
            unread = [cell for at, cell in enumerate(cells) if cell and at not in columns]
            if unread:
                text = f"columns that are not known, and were not read: {', '.join(unread)}"
                book.doubts.append(Doubt(sheet, number, "", text))
            if lower:
                next(steps)
        elif not columns or (len(filled) == 1 and _parts(columns)):
            alone += [(number, " ".join(filled))] if filled else []
        elif filled:
            _set_aside(sheet, alone, book)
            alone = []
            body.append((number, cells))
    yield from _finished(sheet, titles, columns, body, book)
    if columns:
        _set_aside(sheet, alone, book)


def _parts(columns: Mapping[int, Column]) -> bool:
    """Whether a field of this list cannot be a name alone: it needs a place."""
    return bool({Column.START, Column.END, Column.WIDTH} & set(columns.values()))


def _set_aside(sheet: str, alone: Sequence[tuple[int, str]], book: Workbook) -> None:
    for number, text in alone:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        book.doubts.append(Doubt(sheet, number, "", f"stands alone, taken for a title or a note: {shown}"))


def _with_second_row(upper: dict[int, Column], below: Sequence[Row]) -> tuple[dict[int, Column], bool]:
    """The columns when a second row of titles follows (``Posição`` over ``De`` and ``Até``), and whether one does."""
    cells = below[0][1] if below else []
    lower = {place: column_of(cell) for place, cell in enumerate(cells) if cell}
    if not lower or not all(lower.values()) or not {Column.START, Column.END} & set(lower.values()):
        return upper, False
    return {**upper, **{place: column for place, column in lower.items() if column}}, True


def _finished(
    sheet: str, titles: Sequence[str], columns: Mapping[int, Column], body: Sequence[Row], book: Workbook
) -> Iterator[FieldList]:
    """The list of a header row and the rows under it; none when there are no rows."""
    if not body:
        return
    places = _one_name(columns, body)
    twice = {column.value for column in places.values() if list(places.values()).count(column) > 1}
    if twice - {Column.DESCRIPTION}:
        text = (
            f"two columns say the {', '.join(sorted(twice - {Column.DESCRIPTION}))}: the first one that is filled holds"
        )
        book.doubts.append(Doubt(sheet, body[0][0], "", text))
    rows = []
    for number, cells in body:
        said: dict[Column, str] = {}
        for place, column in places.items():
            cell = cells[place] if place < len(cells) else ""
            if cell and column is Column.DESCRIPTION and column in said:
                said[column] += f"; {cell}"
            elif cell:
                said.setdefault(column, cell)
        rows.append(FieldRow(number, said))
    yield FieldList(sheet, tuple(titles), frozenset(places.values()), tuple(rows))


def _one_name(columns: Mapping[int, Column], body: Sequence[Row]) -> dict[int, Column]:
    """The columns with one name among them: numbers are the order, a second text is the description."""
    out = dict(columns)
    names = [place for place, column in columns.items() if column is Column.NAME]
    for place in names:
        cells = [row[place] for _, row in body if place < len(row) and row[place]]
        if all(cell.isdecimal() for cell in cells):
            out[place] = Column.ORDER
    texts = [place for place in names if out[place] is Column.NAME]
    for place in texts[1:]:
        out[place] = Column.DESCRIPTION
    if not texts:
        described = next((place for place, column in out.items() if column is Column.DESCRIPTION), None)
        if described is not None:
            out[described] = Column.NAME
    return out
