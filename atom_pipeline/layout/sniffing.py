"""Which layout, or which version of one, a file follows, told by its first bytes.

For names that several layouts have (the acordo files), and for the days on which two versions overlap. A guess is never
made: no layout is chosen when none fits, or more than one does.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date

from atom_pipeline.layout.batches import accepted_forms
from atom_pipeline.layout.model import DelimitedFormat, FixedFormat, Layout, Record, Version

HEAD_BYTES = 256 * 1024  # what a caller should read of a file for `sniff`
_WORKBOOK = b"PK\x03\x04"


def sniff(candidates: Sequence[Layout], head: bytes) -> Layout | None:
    """The one layout that the first bytes of a file fit; None when none or several do (an empty file fits all)."""
    if head.startswith(_WORKBOOK):
        fitting = [layout for layout in candidates if any(name.excel for name in layout.names)]
    else:
        fitting = [layout for layout in candidates if any(fits(version, head) for version in layout.versions)]
    return fitting[0] if len(fitting) == 1 else None


def choose_version(layout: Layout, day: date, head: bytes) -> Version:
    """The version in force on ``day``, or an older one still accepted then when only that one fits the file."""
    newest, *older = layout.versions_on(day)
    if not older or fits(newest, head):
        return newest
    return next((version for version in older if fits(version, head)), newest)


def fits(version: Version, head: bytes) -> bool:
    """Whether the first line of a file can be of that version."""
    shape = version.format
    if isinstance(shape, FixedFormat) and shape.newline == "none":
        return any(_is_record(record, head[: record.length], shape.encoding) for record in version.records)
    line, separator, _ = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    line = line.removesuffix(b"\r") if separator else line.rstrip(b"\r")
    if isinstance(shape, FixedFormat):
        return any(_is_record(record, line, shape.encoding) for record in version.records)
    return _is_row(version, shape, line.decode(shape.encoding, "replace"))


def _is_record(record: Record, line: bytes, encoding: str) -> bool:
    if len(line) != record.length:
        return False
    spans = {field.name: (start, stop) for field, start, stop in record.spans()}
    for match in record.matches:
        start, stop = spans[match.field]
        if line[start:stop].decode(encoding, "replace") not in accepted_forms(match.equals, stop - start):
            return False
    return True


def _is_row(version: Version, shape: DelimitedFormat, line: str) -> bool:
    cells = next(csv.reader([line], delimiter=shape.delimiter, quotechar=shape.quote), [])
    if shape.header:
        return sorted(map(normal_title, cells)) == sorted(titles(version.titled))
    for record in version.records:
        names = [field.name for field in record.fields]
        if len(cells) != len(names):
            continue
        if all(cells[names.index(match.field)].strip() == match.equals for match in record.matches):
            return True
    return False


def titles(record: Record) -> list[str]:
    """The titles of a record's columns, in the form in which they are compared."""
    return [normal_title(field.title or field.name) for field in record.fields]


def normal_title(text: str) -> str:
    """Titles are compared without regard to case, and to blanks around them."""
    return text.strip().casefold()
