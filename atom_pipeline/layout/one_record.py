"""One record of a file with its fields named: how each stands in the line, and how it is read.

For a person who asks what a line says. The line alone is read, by the decoders that read the whole file, in the version
of the layout that is in force on the day. Values are personal data; which fields are is the layout's to say.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from atom_pipeline.layout.batches import Batch
from atom_pipeline.layout.convert import RecordPlan
from atom_pipeline.layout.delimited import LONGEST_RECORD, column_order
from atom_pipeline.layout.lines import EvenLines, original_lines
from atom_pipeline.layout.model import DelimitedFormat, Field, Layout, Record, Version
from atom_pipeline.layout.reading import FileReader
from atom_pipeline.layout.sniffing import HEAD_BYTES, choose_version

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Cell:
    """A field of a record: as it stands, without the blanks around it, and as it is read (None: nothing, or wrong)."""

    field: Field
    raw: str
    value: Any

    @property
    def meaning(self) -> str | None:
        """What the layout says that the code means."""
        return (self.field.domain or {}).get(str(self.value)) if self.value is not None else None


def read_record(
    layout: Layout, path: Path, line: int, *, name: str, day: date, excel: bool = False, even: EvenLines | None = None
) -> tuple[str, list[Cell]] | None:
    """The name of the record's type and its cells, in the order of the layout; None when the line is no record of it.

    ``line`` is the physical line from 1; ``even`` as in ``original_lines``. Raises OSError when the file cannot be
    read, FileRefused when its columns are not the layout's.
    """
    if excel:
        with path.open("rb") as stream:
            return _cells_of(layout, stream, line, name=name, day=day, excel=True)
    with path.open("rb") as stream:
        version = choose_version(layout, day, stream.read(HEAD_BYTES))
    titled = isinstance(version.format, DelimitedFormat) and version.format.header
    following = LONGEST_RECORD if isinstance(version.format, DelimitedFormat) else 0
    numbers = {1, *range(line, line + following + 1)} if titled else {line}
    lines = original_lines(path, layout, day, numbers, even=even)
    if line not in lines or (titled and line == 1):
        return None
    kept = [lines[number] for number in sorted(lines) if number >= line or titled]
    alone = io.BytesIO(b"".join(one + b"\n" for one in kept) if _has_breaks(version) else kept[0])
    return _cells_of(layout, alone, 2 if titled else 1, name=name, day=day)


def _has_breaks(version: Version) -> bool:
    return version.format.newline != "none"


def _cells_of(
    layout: Layout, stream: BinaryIO, line: int, *, name: str, day: date, excel: bool = False
) -> tuple[str, list[Cell]] | None:
    with FileReader(layout, stream, name=name, day=day, excel=excel, quick=False) as reader:
        for batch in _batches(reader):
            found = np.flatnonzero(batch.lines == line).tolist()
            if found:
                record = batch.plan.record
                raw = _raw(reader, record, line, excel=excel)
                values = batch.decoded.frame.row(found[0], named=True)
                return record.name, [
                    Cell(field, raw.get(field.name) or _written(values[field.name]), values[field.name])
                    for field in record.fields
                ]
    return None


def _written(value: Any) -> str:
    """A workbook's cell, which has no text of its own."""
    return "" if value is None else str(value)


def _batches(reader: FileReader) -> Iterator[Batch]:
    for portion in reader.decoder().portions():
        yield from portion.batches


def _raw(reader: FileReader, record: Record, line: int, *, excel: bool) -> dict[str, str]:
    """The text of each field of the record on ``line`` of the reader's small file; a workbook's cells have none."""
    shape = reader.version.format
    if excel:
        return {}
    reader.stream.seek(0)
    content = reader.stream.read()
    if not isinstance(shape, DelimitedFormat):
        row = content.removesuffix(b"\n")
        return {
            field.name: row[start:stop].decode(shape.encoding, "replace").strip()
            for field, start, stop in record.spans()
        }
    text = io.StringIO(content.removeprefix(_BOM).decode(shape.encoding, "replace"), newline="")
    rows = csv.reader(text, delimiter=shape.delimiter, quotechar=shape.quote or None)
    plan = RecordPlan(record)
    order = column_order(plan, next(rows, []), reader.name, 1) if line > 1 else plan.names
    return dict(zip(order, (cell.strip() for cell in next(rows, [])), strict=False))
