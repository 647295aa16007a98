"""Which record and field of a sheet is which of a layout: names first, then titles, then places, then neighbours.

Nothing is compared here; what differs between the two of a pair is in ``sheet_differences``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atom_pipeline.layout.model import Field, Record
from atom_pipeline.layout.sheet_fields import SheetField
from atom_pipeline.layout.sheet_records import SheetRecord
from atom_pipeline.layout.sheet_words import plain


@dataclass(frozen=True)
class Standing:
    """Where a field of a layout or a sheet stands: its first byte, or the column's number, and its width or 0."""

    name: str
    at: int
    width: int


@dataclass(frozen=True)
class FieldPair:
    """A field of the layout and the one of the sheet; None where the other has none."""

    field: Field | None
    item: SheetField | None
    before: Standing
    after: Standing


def paired_records(records: Sequence[Record], others: Sequence[SheetRecord]) -> dict[str, SheetRecord]:
    """The sheet's record of each record of the layout, by its name: by name, by what tells it apart, by role."""
    out: dict[str, SheetRecord] = {}
    left = list(others)
    ways: tuple[Callable[[Record, SheetRecord], object], ...] = (
        lambda record, other: record.name == other.name,
        lambda record, other: record.name.removeprefix("registro_") == other.name.removeprefix("registro_"),
        lambda record, other: record.match and other.match and record.match.equals == other.match[1],
        lambda record, other: record.role is other.role and record.length == other.length,
        lambda record, other: record.role is other.role,
    )
    for way in ways:
        for record in records:
            found = next((other for other in left if way(record, other)), None)
            if record.name not in out and found is not None:
                out[record.name] = found
                left = [other for other in left if other is not found]
    return out


def paired_fields(record: Record, other: SheetRecord, *, fixed: bool) -> list[FieldPair]:
    """Every field of the layout's record, then those that only the sheet has; groups repeated."""
    before = [
        (field, Standing(field.name, start + 1 if fixed else place, field.width or 0))
        for place, (field, start, _) in enumerate(record.spans(), start=1)
    ]
    after = [
        (item, Standing(item.name, (item.start or 0) if fixed else place, item.width or 0))
        for place, item in enumerate(other.expanded(), start=1)
    ]
    found = _found(before, after)
    taken = set(found.values())
    pairs = [
        FieldPair(field, after[found[n]][0], where, after[found[n]][1])
        if n in found
        else FieldPair(field, None, where, where)
        for n, (field, where) in enumerate(before)
    ]
    return pairs + [FieldPair(None, item, where, where) for m, (item, where) in enumerate(after) if m not in taken]


def _found(before: list[tuple[Field, Standing]], after: list[tuple[SheetField, Standing]]) -> dict[int, int]:
    """The number of the sheet's field of each field of the layout, both by their order."""
    found: dict[int, int] = {}

    def pair(alike: Callable[[int, int], bool]) -> None:
        taken = set(found.values())
        for n in range(len(before)):
            if n in found:
                continue
            m = next((m for m in range(len(after)) if m not in taken and alike(n, m)), None)
            if m is not None:
                found[n] = m
                taken.add(m)

    def between(n: int, m: int) -> bool:
        before_it = found.get(n - 1) == m - 1 if n and m else n == m
        return before_it and (found.get(n + 1) == m + 1 or (n + 1 == len(before) and m + 1 == len(after)))

    names = [where.name for _, where in before], [where.name for _, where in after]
    titles = [plain(field.title or "") for field, _ in before], [plain(item.label) for item, _ in after]
    spans = [(where.at, where.width) for _, where in before], [(where.at, where.width) for _, where in after]
    kinds = [(where.width, field.type) for field, where in before], [(where.width, item.type) for item, where in after]
    pair(lambda n, m: names[0][n] == names[1][m])
    pair(lambda n, m: bool(titles[0][n]) and titles[0][n] == titles[1][m])
    pair(lambda n, m: after[m][0].row > 0 and spans[0][n] == spans[1][m])
    # one that moved and has another name too: of the same kind, between the same neighbours
    pair(lambda n, m: after[m][0].row > 0 and kinds[0][n] == kinds[1][m] and between(n, m))
    return found
