"""Which files would stop loading if a sheet took the place of a layout: each is read with both documents (R004).

Only reading and comparing belongs here; which files there are is the command's to find. What is told of a refused row
is its line, field, reason and the shape of its value, never the value: a field that moved may hold a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.model import Layout
from atom_pipeline.layout.outcome import FileOutcome, Findings, refuse_too_many
from atom_pipeline.layout.reading import FileReader
from atom_pipeline.layout.rejects import REJECTS_SCHEMA
from atom_pipeline.layout.sheet_successor import Pairs, Successor
from atom_pipeline.masking import scrub

_VALUE = re.compile(r"(; veio )(?!')(.+)")
_SHOWN_LINES = 5
_COMPARED = 10_000  # rows of each record whose values are compared


@dataclass(frozen=True)
class SampleFile:
    """A file to try: ``day`` decides the layout's version, ``excel`` says that it is a workbook."""

    path: Path
    name: str
    day: date
    excel: bool = False


@dataclass(frozen=True)
class Tried:
    """A file read with one document. ``refusal`` is why it is refused whole, empty when it loads.

    Where it is refused whole before its end, no row of it counts as read.
    """

    rows_read: int
    rows_accepted: int
    refusal: str
    rejects: pl.DataFrame
    accepted: dict[str, pl.DataFrame]  # of each record the first rows, no more than are compared

    @property
    def loads(self) -> bool:
        return not self.refusal


@dataclass(frozen=True)
class Reason:
    """Rows that were accepted and would be refused for one reason: how many, the first lines, one value's shape."""

    field: str
    reason: str
    rows: int
    lines: tuple[int, ...]
    detail: str


@dataclass(frozen=True)
class Trial:
    """A file read with the layout that there is, and with the sheet's.

    ``changed`` has the fields, by the layout's names, whose value is another one in rows that both accept, and in how
    many of the first rows: such a file loads, and says something else.
    """

    file: SampleFile
    before: Tried
    after: Tried
    reasons: tuple[Reason, ...]
    changed: dict[str, int]

    @property
    def stops(self) -> bool:
        """Whether it loads today and would not at all."""
        return self.before.loads and not self.after.loads

    @property
    def loses(self) -> bool:
        """Whether any row that is accepted today would not be."""
        return self.stops or bool(self.reasons)


def try_file(before: Layout, after: Successor, file: SampleFile) -> Trial:
    """Read a file with both. Raises OSError when it cannot be read at all."""
    old, new = _tried(before, file), _tried(after.layout, file)
    return Trial(file, old, new, tuple(_reasons(old, new)), _changed(old, new, after.pairs))


def _changed(old: Tried, new: Tried, pairs: Pairs) -> dict[str, int]:
    """The fields whose values differ in rows that both accept, and how often; types that do not compare are no rows."""
    found: dict[str, int] = {}
    if not (old.loads and new.loads):
        return found
    for record, (other, names) in pairs.items():
        if record not in old.accepted or other not in new.accepted:
            continue
        mine, its = old.accepted[record], new.accepted[other]
        both = mine.join(its.select("linha"), on="linha", how="semi").sort("linha")
        its = its.join(both.select("linha"), on="linha", how="semi").sort("linha")
        for before, after in names.items():
            one, two = both[before], its[after]
            if one.dtype.is_numeric() != two.dtype.is_numeric() or one.dtype.is_temporal() != two.dtype.is_temporal():
                one, two = one.cast(pl.String), two.cast(pl.String)
            if pl.String in {
                one.dtype,
                two.dtype,
            }:  # a list of fields does not say whether zeros on the left are padding
                one, two = (side.cast(pl.String).str.strip_chars_start("0") for side in (one, two))
            rows = int(one.ne_missing(two).sum())
            if rows:
                found[before] = rows
    return found


def _tried(layout: Layout, file: SampleFile) -> Tried:
    try:
        outcome, first = _read(layout, file)
    except FileRefused as error:
        found = getattr(error, "reading", None)
        where = f"line {error.line}: " if error.line is not None else ""
        refusal = scrub(f"{where}{error.code}: {error.message}")
        if not isinstance(found, FileOutcome):
            return Tried(0, 0, refusal, pl.DataFrame(schema=REJECTS_SCHEMA), {})
        return Tried(found.rows_read, 0, refusal, found.rejects, {})
    except LookupError as error:  # no version is in force on that day
        return Tried(0, 0, str(error), pl.DataFrame(schema=REJECTS_SCHEMA), {})
    return Tried(outcome.rows_read, outcome.rows_accepted, "", outcome.rejects, first)


def _read(layout: Layout, file: SampleFile) -> tuple[FileOutcome, dict[str, pl.DataFrame]]:
    """What came of it and the first accepted rows; read portion by portion. Raises FileRefused."""
    with FileReader(layout, file.path, name=file.name, day=file.day, excel=file.excel) as reader:
        found = Findings(reader)
        columns = list(dict.fromkeys([*layout.key, "linha", "registro"]))
        parts: dict[str, list[pl.DataFrame]] = {record.name: [] for record in reader.version.details}
        first: dict[str, pl.DataFrame] = {}
        accepted = 0
        for portion in reader.portions():
            found.add(portion)
            for record, frame in portion.frames.items():
                accepted += frame.height
                if record not in first:
                    first[record] = frame.head(_COMPARED)
                elif first[record].height < _COMPARED:
                    first[record] = pl.concat([first[record], frame.head(_COMPARED - first[record].height)])
                if layout.unique != "allow":
                    parts[record].append(frame.select(columns))
        keys = {record: pl.concat(frames) for record, frames in parts.items() if frames}
        gone = found.repeated_keys(keys).height if keys else 0
        outcome = found.outcome(accepted - gone)
    refuse_too_many(outcome)
    return outcome, first


def _reasons(old: Tried, new: Tried) -> Iterator[Reason]:
    """Why rows that are accepted today would be refused, the most frequent first."""
    if not old.loads:
        return
    lost = new.rejects.join(old.rejects.select("linha"), on="linha", how="anti", maintain_order="left")
    grouped = lost.group_by("campo", "motivo", maintain_order=True).agg("linha", "detalhe")
    for campo, motivo, lines, details in sorted(grouped.iter_rows(), key=lambda row: -len(row[2])):
        detail = _VALUE.sub(lambda found: f"{found[1]}'{_shape(found[2])}'", details[0] or "")
        yield Reason(campo or "", motivo, len(lines), tuple(lines[:_SHOWN_LINES]), scrub(detail))


def _shape(value: str) -> str:
    return "".join("9" if c.isdigit() else "A" if c.isalpha() else c for c in value)
