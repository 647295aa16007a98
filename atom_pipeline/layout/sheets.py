"""``atom layout import``: a spreadsheet's field lists as a layout, with every doubt beside the field it is about.

Making records of field lists belongs here: fixed or delimited, order, gaps, lengths. What a layout of fields is stands
in ``sheet_records``; a COBOL copybook becomes one in ``copybook_records``. The sheet is read in ``sheet_reading``, a
field understood in ``sheet_places`` and ``sheet_fields``, the document written in ``sheet_writing``, compared with a
layout that there is in ``sheet_differences`` and tried on files in ``sheet_trial``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from atom_pipeline.layout.copybook import is_copybook
from atom_pipeline.layout.copybook_records import read_copybook
from atom_pipeline.layout.sheet_fields import SheetField, field_name, understand
from atom_pipeline.layout.sheet_files import TEXTS, Doubt, content_of, text_of
from atom_pipeline.layout.sheet_places import Place, measure, placed
from atom_pipeline.layout.sheet_reading import FieldList, FieldRow, Workbook, read_field_lists
from atom_pipeline.layout.sheet_records import (
    SheetLayout,
    SheetRecord,
    match_apart,
    name_apart,
    role_of,
    stage_of,
    tell_fields_apart,
)
from atom_pipeline.layout.sheet_words import Column, plain

_COPYBOOKS = frozenset({".cpy", ".cbl", ".cob", ".cobol", ".copy", ".cpb"})
_TOTALS = frozenset({"total", "tamanho total", "tamanho registro", "tamanho do registro", "total registro"})
_UNNAMED = re.compile(r"(?:plan|planilha|sheet|folha|tabela|table)\d*|.*_csv")
_DELIMITED = re.compile(r"\b(csv|delimitado|delimitador|separador|separado|separados)\b")


def read_sheet(path: Path, name: str | None = None) -> SheetLayout:
    """The layout that a spreadsheet or text of field lists, or a copybook, describes.

    Raises SheetError when there is none to read.
    """
    suffix = path.suffix.lower()
    if suffix in _COPYBOOKS or (suffix in TEXTS and is_copybook(text_of(content_of(path), path))):
        return read_copybook(path, name)
    book = read_field_lists(path)
    lists = [part for each in book.lists for part in _by_record_column(each)]
    titles = [title for each in book.lists for title in each.titles]
    spoken = plain(" ".join([path.stem, *titles]))
    places = [[measure(row) for row in each.rows] for each in lists]
    fixed = _is_fixed(places, spoken, path, book)
    records = [_record(each, own, lists, fixed=fixed) for each, own in zip(lists, places, strict=True)]
    name_apart(records)
    if len(records) > 1:
        match_apart(records)
    stage = stage_of(f"{plain(name or '')} {spoken}", path.name, book.doubts)
    said = None if fixed else _delimiter(" ".join(titles), path, book)
    return SheetLayout(
        name or field_name(path.stem),
        titles[0] if titles else path.stem,
        path.name,
        stage,
        None if fixed else said or ";",
        records,
        book.doubts,
        delimiter_said=said is not None,
    )


def _by_record_column(each: FieldList) -> list[FieldList]:
    """One list per record type where a column names it; else the list itself."""
    kinds = list(dict.fromkeys(row[Column.RECORD] for row in each.rows if row[Column.RECORD]))
    if not kinds:
        return [each]
    parts: dict[str, list[FieldRow]] = {kind: [] for kind in kinds}
    kind = kinds[0]
    for row in each.rows:  # a merged cell names the rows under it too
        kind = row[Column.RECORD] or kind
        parts[kind].append(row)
    return [replace(each, titles=(*each.titles, kind), rows=tuple(rows)) for kind, rows in parts.items()]


def _is_fixed(places: Sequence[Sequence[Place]], spoken: str, path: Path, book: Workbook) -> bool:
    """Whether the fields stand at bytes. Lengths alone may also be those of columns."""
    every = [place for own in places for place in own]
    if any(place.says_position for place in every):
        return True
    measured = all(place.width or place.picture for place in every)
    fixed = measured and not _DELIMITED.search(spoken)
    kind = "fixed width, each field after the one before it" if fixed else "delimited columns"
    book.doubts.append(Doubt(path.name, 0, "", f"the sheet says no positions: taken as {kind}"))
    return fixed


def _delimiter(titles: str, path: Path, book: Workbook) -> str | None:
    spoken = plain(titles)
    for words, mark in (("ponto e virgula", ";"), ("pipe", "|"), ("tab", "\t"), ("virgula", ",")):
        if re.search(rf"\b{words}", spoken):
            return mark
    quoted = re.search("[\"'(]([;|,])[\"')]", titles)
    if quoted:
        return quoted[1]
    text = "the sheet does not say what parts the columns, nor whether titles stand in the first line: `;` and titles"
    book.doubts.append(Doubt(path.name, 0, "", text))
    return None


def _record(each: FieldList, places: list[Place], lists: Sequence[FieldList], *, fixed: bool) -> SheetRecord:
    """The record of a list: its fields in the order of their bytes, gaps filled, length counted."""
    alone = len([other for other in lists if other.sheet == each.sheet]) == 1
    title = each.titles[-1] if each.titles else ""
    named = title if title and (not alone or _UNNAMED.fullmatch(field_name(each.sheet))) else each.sheet
    spoken = plain(f"{each.sheet if alone else ''} {title}")
    role = role_of(spoken)
    name = "_".join(field_name(named).split("_")[:5])
    if len(lists) == 1 and _UNNAMED.fullmatch(field_name(each.sheet)):
        name = "detalhe"
    record = SheetRecord(name, each.sheet, role, title or each.sheet, [], spoken=plain(f"{each.sheet} {title}"))
    pairs = list(zip(each.rows, places, strict=True))
    said: int | None = None
    if pairs and plain(pairs[-1][0][Column.NAME]) in _TOTALS:
        said = pairs.pop()[1].width
    nameless = [row.number for row, _ in pairs if not row[Column.NAME]]
    if nameless:
        record.doubts.append(f"rows without a field's name, not read: {', '.join(map(str, nameless))}")
        pairs = [(row, place) for row, place in pairs if row[Column.NAME]]
    if fixed:
        pairs = _in_order(pairs, record)
    record.fields = [understand(row, place, fixed=fixed) for row, place in pairs]
    if fixed:
        _fill_gaps(record)
        record.length = record.size()
        if said is not None and said != record.length:
            record.doubts.append(f"the fields fill {record.length} bytes, the sheet says {said} in all")
    tell_fields_apart(record)
    return record


def _in_order(pairs: list[tuple[FieldRow, Place]], record: SheetRecord) -> list[tuple[FieldRow, Place]]:
    starts = [place.start for _, place in pairs if place.start is not None]
    if len(starts) == len(pairs) and starts != sorted(starts):
        record.doubts.append("the rows are not in the order of their positions: they were put into it")
        pairs = sorted(pairs, key=lambda pair: pair[1].start or 0)
    return list(zip([row for row, _ in pairs], placed([place for _, place in pairs]), strict=True))


def _fill_gaps(record: SheetRecord) -> None:
    """Bytes that belong to no field become a field of ours; bytes that belong to two are said, and stay as they are."""
    out: list[SheetField] = []
    cursor = 1
    for item in record.fields:
        start = item.start or cursor
        if start > cursor:
            filler = SheetField(0, f"reservado_{cursor}", "", cursor, start - cursor)
            filler.keys["description"] = "Sem uso na planilha"
            filler.doubts.append(f"bytes {cursor} to {start - 1} are of no field of the sheet: this one was put there")
            out.append(filler)
        elif start < cursor:
            item.doubts.append(f"byte {start} is of the field before it too (up to {cursor - 1}): mend one of both")
        out.append(item)
        cursor = max(cursor, start + (item.width or 0) * item.times)
    record.fields = out
