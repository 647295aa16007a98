"""Field lists as people write them in spreadsheets and text, as rows of cells by what each column says.

Finding the header row belongs here: title rows above it, two rows of titles, a header repeated on each page, several
lists on one sheet, tables of codes beside them. How a file becomes rows is in ``sheet_files``, what a cell means in
``sheet_fields`` and ``sheet_places``; the layout that comes of it is made in ``sheets``. Whatever was not read is a
doubt, with its sheet and row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from atom_pipeline.layout.sheet_files import Doubt, Row, SheetError, sheets_of
from atom_pipeline.layout.sheet_words import Column, column_of, plain

_SPEAK_OF_FIELDS = frozenset(Column) - {Column.NAME, Column.ORDER, Column.RECORD}
_MEASURES = frozenset({Column.START, Column.END, Column.WIDTH})
_FORMS = _MEASURES | {Column.TYPE, Column.FORMAT}


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


def read_field_lists(path: Path) -> Workbook:
    """The field lists of a spreadsheet. Raises SheetError when it is another kind of file, or holds none."""
    book = Workbook()
    for name, rows in sheets_of(path, book.doubts, _header):
        found = list(_lists_of(name, rows, book))
        if not found and any(any(cells) for _, cells in rows):
            text = "no header row with the field's name and its place, type or description: the sheet was not read"
            book.doubts.append(Doubt(name, 0, "", text))
        book.lists += found
    _with_tables_of_codes(book)
    if not book.lists:
        raise SheetError(
            f"{path.name}: no field list: a header row needs a column such as campo or nome, and others such as "
            "início, fim, tamanho, tipo, formato, descrição"
        )
    return book


def _with_tables_of_codes(book: Workbook) -> None:
    """Lists that say no field's form, beside lists that do, are tables of codes of their fields, or nothing of ours."""
    if not any(each.columns & _FORMS for each in book.lists):
        book.lists = [each for each in book.lists if Column.NAME in each.columns]
        return
    fields = [each for each in book.lists if each.columns & _FORMS]
    for table in (each for each in book.lists if not each.columns & _FORMS):
        codes = _codes_of(table) if table.columns & {Column.CODE, Column.DOMAIN} else {}
        known = {plain(row[Column.NAME]) for each in fields for row in each.rows}
        used = {name: text for name, text in codes.items() if name in known}
        if used:
            fields = [_with_codes(each, used) for each in fields]
        others = sorted(codes.keys() - used.keys())
        if others or not codes:
            what = f"codes of no field that is known ({', '.join(others)})" if others else "no list of fields"
            book.doubts.append(Doubt(table.sheet, table.rows[0].number, "", f"{what}: not read"))
    book.lists = fields


def _codes_of(table: FieldList) -> dict[str, str]:
    """The codes of each field, as a cell of a list would say them: ``1-Ativo; 2-Baixado``."""
    name = "" if Column.NAME in table.columns else plain(table.titles[-1] if table.titles else table.sheet)
    out: dict[str, list[str]] = {}
    for row in table.rows:
        name = plain(row[Column.NAME]) or name
        code = row[Column.CODE] or row[Column.DOMAIN]
        if code:
            meaning = re.sub(r"\s*;\s*", ", ", row[Column.DESCRIPTION])
            out.setdefault(name, []).append(f"{code} - {meaning or code}")
    return {name: "; ".join(codes) for name, codes in out.items()}


def _with_codes(each: FieldList, codes: Mapping[str, str]) -> FieldList:
    rows = tuple(
        replace(row, cells={**row.cells, Column.DOMAIN: codes[name]})
        if (name := plain(row[Column.NAME])) in codes
        else row
        for row in each.rows
    )
    return replace(each, rows=rows)


def _header(cells: Sequence[str]) -> dict[int, Column]:
    """The columns of a header row by their place; empty when the row is none. Titles that say nothing are left out."""
    found = {place: column for place, cell in enumerate(cells) if cell and (column := column_of(cell))}
    says = set(found.values())
    filled = sum(1 for cell in cells if cell)
    numbers = any(re.fullmatch(r"[\d.,]+", cell) for cell in cells if cell)
    described = Column.DESCRIPTION in says and bool({Column.START, Column.WIDTH, Column.CODE} & says)
    good = Column.NAME in says or described
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
        if found and body and not alone and _goes_on(found, columns, body, rows[place + 1 :]):
            continue
        if found:
            yield from _finished(sheet, titles, columns, body, book)
            titles, alone, body = [text for _, text in alone], [], []
            columns, lower = _with_second_row(found, cells, rows[place + 1 : place + 2])
            unread = [cell for at, cell in enumerate(cells) if cell and at not in columns]
            if Column.CODE in columns.values() and set(columns.values()) & _FORMS:
                unread += [cells[at] for at, column in found.items() if column is Column.CODE]
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
    return bool(_MEASURES & set(columns.values()))


def _goes_on(
    found: Mapping[int, Column], columns: Mapping[int, Column], body: Sequence[Row], rest: Sequence[Row]
) -> bool:
    """Whether a header row is that of the list repeated, as on each page, and no new record begins under it."""
    start = next((place for place, column in columns.items() if column is Column.START), None)
    following = next((cells for _, cells in rest if any(cells)), [])
    if start is None or start >= len(following) or not set(found.items()) <= set(columns.items()):
        return False
    first, before = re.match(r"\d+", following[start]), re.match(r"\d+", body[-1][1][start])
    return bool(first and before and int(first[0]) > int(before[0]))


def _set_aside(sheet: str, alone: Sequence[tuple[int, str]], book: Workbook) -> None:
    for number, text in alone:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        book.doubts.append(Doubt(sheet, number, "", f"stands alone, taken for a title or a note: {shown}"))


def _with_second_row(
    upper: dict[int, Column], titles: Sequence[str], below: Sequence[Row]
) -> tuple[dict[int, Column], bool]:
    """The columns when a second row of titles follows (``Posição`` over ``De`` and ``Até``), and whether one does."""
    cells = below[0][1] if below else []
    merged = {place for place, (title, cell) in enumerate(zip(titles, cells, strict=False)) if title == cell}
    lower = {place: column_of(cell) for place, cell in enumerate(cells) if cell and place not in merged}
    if not lower or not all(lower.values()) or not {Column.START, Column.END} & set(lower.values()):
        return upper, False
    return {**upper, **{place: column for place, column in lower.items() if column}}, True


def _finished(
    sheet: str, titles: Sequence[str], columns: Mapping[int, Column], body: Sequence[Row], book: Workbook
) -> Iterator[FieldList]:
    """The list of a header row and the rows under it; none when there are no rows."""
    if not body:
        return
    if not any(any(cells[place : place + 1]) for _, cells in body for place in columns):
        return
    body = _without_notes(sheet, columns, body, book)
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


def _without_notes(sheet: str, columns: Mapping[int, Column], body: Sequence[Row], book: Workbook) -> Sequence[Row]:
    """The rows of a list with places that say a place or a form: the others are notes, and said."""
    if not _parts(columns):
        return body
    forms = [place for place, column in columns.items() if column in _FORMS]
    notes = [(number, cells) for number, cells in body if not any("".join(cells[at : at + 1]) for at in forms)]
    if len(notes) == len(body):
        return body
    _set_aside(sheet, [(number, " | ".join(filter(None, cells))) for number, cells in notes], book)
    return [row for row in body if row not in notes]


def _one_name(columns: Mapping[int, Column], body: Sequence[Row]) -> dict[int, Column]:
    """The columns with one name among them: numbers are the order, a second text is the description."""
    out = dict(columns)
    names = [place for place, column in columns.items() if column is Column.NAME]
    for place in names:
        cells = [row[place] for _, row in body if place < len(row) and row[place]]
        if all(re.fullmatch(r"\d+(?:\.0+)?", cell) for cell in cells):
            out[place] = Column.ORDER
    texts = [place for place in names if out[place] is Column.NAME]
    for place in texts[1:]:
        out[place] = Column.DESCRIPTION
    if not texts and Column.CODE not in columns.values():
        described = next((place for place, column in out.items() if column is Column.DESCRIPTION), None)
        if described is not None:
            out[described] = Column.NAME
    return out
