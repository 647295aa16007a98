"""Where the fields of a record stand, as a drawing: rows of boxes with names above and an example inside.

Only geometry belongs here, in units of one character; ``templates/ruler.svg.j2`` draws it. A fixed-width record is
folded every hundred bytes, one of five columns is one row, and 280 fields of 4,800 bytes are some forty. Names stand
in as many levels above the boxes as keep them apart: from the right, so that no line to a box crosses a name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from atom_pipeline.layout.model import Field, FieldType, Record

FOLD = 100  # bytes a row
TICK = 10
NAME_WIDTH = 0.78  # of a name's character, in characters of the example
NAME_GAP = 2.0
SKIPPED_FROM = 3  # rows that one field alone fills are told, not drawn, from so many on
FAMILIES = {
    FieldType.TEXT: "text",
    FieldType.DIGITS: "digits",
    FieldType.INTEGER: "number",
    FieldType.DECIMAL: "number",
    FieldType.DATE: "moment",
    FieldType.TIME: "moment",
    FieldType.DATETIME: "moment",
}


@dataclass(frozen=True)
class Box:
    """A field, or the part of it that stands in one row. ``at`` and ``width`` are characters from the row's left."""

    field: Field
    number: int  # of the field in the record, from 1
    at: int
    width: int
    text: str  # of the example; blanks on the right apart
    blanks: int
    first: bool  # whether the field begins here
    last: bool
    where: str  # "bytes 1-10", "column 3"
    level: int = 0  # of the name, from the box upwards

    @property
    def family(self) -> str:
        return "constant" if self.field.equals is not None else FAMILIES[self.field.type]

    @property
    def label(self) -> str:
        """The name above the box; a field that goes on from the row before says so."""
        return self.field.name if self.first else f"… {self.field.name}"


@dataclass(frozen=True)
class Row:
    """One row: what its left edge counts, its boxes; or the rows that are left out here."""

    start: int  # first byte, or column, from 1
    width: int
    boxes: tuple[Box, ...] = ()
    ticks: tuple[tuple[int, str], ...] = ()  # place in characters, label
    skipped: str = ""

    @property
    def levels(self) -> int:
        return 1 + max((box.level for box in self.boxes), default=0)

    @property
    def right(self) -> float:
        """Where the last name or box ends, in characters."""
        return max([self.width, *(box.at + len(box.label) * NAME_WIDTH for box in self.boxes)])


def fixed_rows(record: Record, cells: list[str]) -> list[Row]:
    """The rows of a fixed-width record; ``cells`` is the example's text of each field."""
    length = record.spans()[-1][2]
    fold = min(FOLD, length)
    rows: list[Row] = []
    parts: list[list[Box]] = [[] for _ in range(-(-length // fold))]
    for number, ((field, start, stop), cell) in enumerate(zip(record.spans(), cells, strict=True), start=1):
        for row in range(start // fold, (stop - 1) // fold + 1):
            begin, end = max(start, row * fold), min(stop, (row + 1) * fold)
            text = cell[begin - start : end - start]
            kept = text.rstrip(" ")
            box = Box(
                field=field,
                number=number,
                at=begin - row * fold,
                width=end - begin,
                text=kept,
                blanks=len(text) - len(kept),
                first=begin == start,
                last=end == stop,
                where=f"bytes {start + 1}-{stop}",
            )
            parts[row].append(box)
    for row, boxes in enumerate(parts):
        width = min(fold, length - row * fold)
        ticks = tuple((at, str(row * fold + at)) for at in range(TICK, width + 1, TICK))
        rows.append(Row(row * fold + 1, width, levelled(boxes), ticks))
    return _without_long_runs(rows)


def delimited_rows(record: Record, cells: list[str]) -> list[Row]:
    """The rows of a delimited record: boxes as wide as title and example need, folded between columns."""
    rows: list[list[Box]] = [[]]
    at = 0
    for number, (field, cell) in enumerate(zip(record.fields, cells, strict=True), start=1):
        width = max(len(cell) + 1, ceil(len(field.name) * NAME_WIDTH + NAME_GAP))
        if rows[-1] and at + width > FOLD:
            rows.append([])
            at = 0
        rows[-1].append(Box(field, number, at, width, cell, 0, True, True, f"column {number}"))
        at += width
    return [
        Row(
            start=boxes[0].number,
            width=boxes[-1].at + boxes[-1].width,
            boxes=levelled(boxes),
            ticks=tuple((box.at, str(box.number)) for box in boxes),
        )
        for boxes in rows
    ]


def levelled(boxes: list[Box]) -> tuple[Box, ...]:
    """The boxes with the level of each name: the lowest in which it ends before the names to its right begin."""
    begins: list[float] = []  # of the leftmost name of each level so far
    out: list[Box] = []
    for box in reversed(boxes):
        end = box.at + len(box.label) * NAME_WIDTH + NAME_GAP
        level = next((level for level, begin in enumerate(begins) if end <= begin), len(begins))
        lower = range(min(level + 1, len(begins)))  # the line down to the box stands in all of these
        for passed in lower:
            begins[passed] = float(box.at)
        if level == len(begins):
            begins.append(float(box.at))
        out.append(replace(box, level=level))
    return tuple(reversed(out))


def _without_long_runs(rows: list[Row]) -> list[Row]:
    """Rows that one field fills alone become one that says how many they are."""
    out: list[Row] = []
    run: list[Row] = []
    for row in [*rows, None]:
        alone = row is not None and len(row.boxes) == 1 and not row.boxes[0].first and not row.boxes[0].last
        if alone and row is not None and (not run or run[-1].boxes[0].number == row.boxes[0].number):
            run.append(row)
            continue
        if len(run) >= SKIPPED_FROM:
            first, last = run[0].start, run[-1].start + run[-1].width - 1
            out.append(
                Row(first, run[0].width, skipped=f"{run[0].boxes[0].field.name} goes on: bytes {first:,}-{last:,}")
            )
        else:
            out += run
        run = [row] if alone and row is not None else []
        if row is not None and not alone:
            out.append(row)
    return out
