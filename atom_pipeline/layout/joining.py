"""Rows made of several lines (CNAB 240: segment T and its U), put together, and what headers give to the rows.

A line of a record that ``joins`` another one goes on with the row that the last line of that one began; any other line
ends the row. A row is refused when one of its lines is, when a required line is missing (SEGMENTO_AUSENTE) or stands
twice (SEGMENTO_REPETIDO), and when a field that its lines share differs (SEGMENTO_DIVERGE). A line that has no row to
go on with is refused by itself (SEGMENTO_SOLTO). A refused row is told once, at its first line with a fault, so that
this line can be corrected. Files whose rows are single lines never come here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.layout.batches import NO_ROWS, Batch, LineFault, Portion
from atom_pipeline.layout.blocks import Positions
from atom_pipeline.layout.composition import joined_to, shared_fields
from atom_pipeline.layout.convert import Decoded, Fault
from atom_pipeline.layout.model import Record, RecordRole, Severity, Version
from atom_pipeline.layout.outcome import ReadPortion, stack
from atom_pipeline.layout.rejects import FLAGS_SCHEMA, MOST_OTHERS, Reject
from atom_pipeline.layout.schema import LINE, RECORD

_UNKNOWN, _OTHER = -1, -2  # kinds of lines: refused without a type, and header, trailer and lots


@dataclass(frozen=True)
class _Told:
    """One thing wrong with a row: the line it is about, and what."""

    line: int
    record: str
    field: str
    reason: str
    detail: str
    original: Callable[[], str]


@dataclass
class _Lines:
    """The lines at hand, in order: each one's kind, and where it is in its kind's lines (-1: refused already)."""

    numbers: Positions
    kinds: Positions
    places: Positions
    leaders: Positions = field(default_factory=lambda: NO_ROWS)  # the line with which each one's row begins


class RowJoiner:
    """Puts the rows of a file together, portion by portion. The last row of a portion waits for the next one."""

    def __init__(self, version: Version) -> None:
        self._records = [record for record in version.records if record.role is RecordRole.DETAIL]
        self._index = {record.name: index for index, record in enumerate(self._records)}
        self._heads = np.array([self._index[record.joins or record.name] for record in self._records], dtype=np.int64)
        self._joins = np.array([record.joins is not None for record in self._records])
        self._joined = [joined_to(self._records, record.name) for record in self._records]
        self._waiting = Portion()

    def add(self, portion: Portion) -> ReadPortion:
        """The rows that are whole after this portion."""
        return self._take(portion, last=False)

    def finish(self) -> ReadPortion:
        """The rows that were waiting for a line to end them."""
        return self._take(Portion(), last=True)

    def _take(self, portion: Portion, *, last: bool) -> ReadPortion:
        details = [batch for batch in portion.batches if batch.plan.record.role is RecordRole.DETAIL]
        others = [batch.lines for batch in portion.batches if batch.plan.record.role is not RecordRole.DETAIL]
        batches = [*self._waiting.batches, *details]
        faults = [*self._waiting.faults, *portion.faults]
        lines = self._ordered([[b for b in batches if b.plan.name == r.name] for r in self._records], faults, others)
        self._waiting = Portion()
        begin = None if last else self._waits_from(lines)
        if begin is not None:
            waits = int(lines.numbers[begin])
            parted = [_part(batch, waits) for batch in batches]
            self._waiting = Portion(
                [after for _, after in parted if len(after.lines)], [fault for fault in faults if fault.line >= waits]
            )
            batches = [before for before, _ in parted if len(before.lines)]
            faults = [fault for fault in faults if fault.line < waits]
            before = lines.numbers < waits
            lines = _Lines(lines.numbers[before], lines.kinds[before], lines.places[before], lines.leaders[before])
        return _Rows(self._records, self._joined, batches, faults, lines).read()

    def _ordered(self, batches: list[list[Batch]], faults: list[LineFault], others: list[Positions]) -> _Lines:
        numbers, kinds, places = [NO_ROWS], [NO_ROWS], [NO_ROWS]

        def put(some: Positions, kind: int | Positions, place: int | Positions) -> None:
            numbers.append(some)
            kinds.append(np.broadcast_to(np.asarray(kind, dtype=np.int64), some.shape))
            places.append(np.broadcast_to(np.asarray(place, dtype=np.int64), some.shape))

        for index, mine in enumerate(batches):
            some = np.concatenate([NO_ROWS, *(batch.lines for batch in mine)])
            put(some, index, np.arange(len(some)))
        refused = [self._index.get(fault.record, _UNKNOWN) for fault in faults]
        put(np.array([fault.line for fault in faults], dtype=np.int64), np.array(refused, dtype=np.int64), -1)
        put(np.concatenate([NO_ROWS, *others]), _OTHER, -1)
        every = _Lines(np.concatenate(numbers), np.concatenate(kinds), np.concatenate(places))
        order = np.argsort(every.numbers, kind="stable")
        lines = _Lines(every.numbers[order], every.kinds[order], every.places[order])
        here = np.arange(len(order))
        joining = (lines.kinds >= 0) & self._joins[np.maximum(lines.kinds, 0)]
        begun = np.maximum.accumulate(np.where(joining, -1, here))
        wanted = self._heads[np.maximum(lines.kinds, 0)]
        follows = joining & (begun >= 0) & (lines.kinds[np.maximum(begun, 0)] == wanted)
        lines.leaders = np.where(follows, begun, here)
        return lines

    def _waits_from(self, lines: _Lines) -> int | None:
        """The line from which on a row may go on in the next portion."""
        if not len(lines.numbers):
            return None
        begins = np.flatnonzero((lines.kinds < 0) | ~self._joins[np.maximum(lines.kinds, 0)])
        if not len(begins):
            return None
        kind = int(lines.kinds[begins[-1]])
        return int(begins[-1]) if kind >= 0 and self._joined[kind] else None


class _Rows:
    """Whole rows: which are good, and what is wrong with the others."""

    def __init__(
        self,
        records: list[Record],
        joined: list[list[Record]],
        batches: list[Batch],
        faults: list[LineFault],
        lines: _Lines,
    ) -> None:
        self._records = records
        self._joined = joined
        self._batches = [[batch for batch in batches if batch.plan.name == record.name] for record in records]
        self._faults = {fault.line: fault for fault in faults}
        self._lines = lines
        self._told: dict[int, list[_Told]] = {}  # by the row's leader
        self._flags: list[tuple[int, str, str]] = []  # leader, field, reason

    def read(self) -> ReadPortion:
        lines = self._lines
        for place in np.flatnonzero((lines.places < 0) & (lines.kinds != _OTHER)).tolist():
            fault = self._faults[int(lines.numbers[place])]
            text = partial(str, fault.original)
            self._tell(place, fault.record, fault.field, fault.reason, fault.detail, text)
        self._tell_of_values()
        for index, record in enumerate(self._records):
            if record.joins is not None:
                loose = (lines.kinds == index) & (lines.leaders == np.arange(len(lines.kinds))) & (lines.places >= 0)
                for place in np.flatnonzero(loose).tolist():
                    detail = f"nenhum {record.joins} antes desta linha"
                    self._tell(place, record.name, "", "SEGMENTO_SOLTO", detail, self._original(place), first=True)
        frames = {
            record.name: self._frame(index, record)
            for index, record in enumerate(self._records)
            if record.joins is None and self._batches[index]
        }
        rows = np.unique(lines.leaders[lines.kinds != _OTHER])
        rejects = [self._reject(told) for _, told in sorted(self._told.items())]
        flags = [(int(lines.numbers[at]), name, why) for at, name, why in self._flags if at not in self._told]
        told = pl.DataFrame(flags, schema=FLAGS_SCHEMA, orient="row")
        return ReadPortion(frames, rejects, stack([told], FLAGS_SCHEMA), len(rows))

    def _tell(
        self,
        place: int,
        record: str,
        name: str,
        reason: str,
        detail: str,
        original: Callable[[], str],
        *,
        first: bool = False,
    ) -> None:
        about = self._told.setdefault(int(self._lines.leaders[place]), [])
        told = _Told(int(self._lines.numbers[place]), record, name, reason, detail, original)
        about.insert(0 if first else len(about), told)

    def _original(self, place: int) -> Callable[[], str]:
        """The text of a line that was read."""
        at = int(self._lines.places[place])
        for batch in self._batches[int(self._lines.kinds[place])]:
            if at < len(batch.lines):
                return lambda: batch.original(at)
            at -= len(batch.lines)
        return lambda: self._faults[int(self._lines.numbers[place])].original

    def _tell_of_values(self) -> None:
        """Faults of fields, line by line in the order of the fields; flags are kept for the rows that stay."""
        for index, batches in enumerate(self._batches):
            here = np.flatnonzero((self._lines.kinds == index) & (self._lines.places >= 0))
            where = np.empty(len(here), dtype=np.int64)
            where[self._lines.places[here]] = here
            done = 0
            for batch in batches:
                for fault in batch.decoded.faults:
                    for row, detail in zip(fault.rows.tolist(), fault.details, strict=True):
                        place = int(where[done + row])
                        if fault.severity is Severity.REFUSE:
                            text = self._original(place)
                            self._tell(place, batch.plan.name, fault.field, fault.reason, detail, text)
                        else:
                            self._flags.append((int(self._lines.leaders[place]), fault.field, fault.reason))
                done += len(batch.lines)

    def _frame(self, index: int, head: Record) -> pl.DataFrame:
        """The good rows that begin with a line of ``head``."""
        lines = self._lines
        frame = _together(self._batches[index])
        begins = np.flatnonzero((lines.kinds == index) & (lines.places >= 0))
        frame = frame[lines.places[begins]]
        row_of = np.full(len(lines.kinds), -1, dtype=np.int64)
        row_of[begins] = np.arange(len(begins))
        for record in self._joined[index]:
            frame = self._joined_columns(frame, begins, row_of, head, record)
        good = np.array([int(place) not in self._told for place in begins], dtype=bool)
        if LINE not in frame.columns:
            frame = frame.with_columns(pl.Series(LINE, lines.numbers[begins], dtype=pl.UInt32))
        if RECORD not in frame.columns:
            frame = frame.with_columns(pl.lit(head.name).alias(RECORD))
        return frame.filter(pl.Series(good))

    def _joined_columns(
        self, frame: pl.DataFrame, begins: Positions, row_of: Positions, head: Record, record: Record
    ) -> pl.DataFrame:
        """The rows with the columns of a record that joins them; tells of rows that lack it, repeat it or differ."""
        lines, index = self._lines, self._records.index(record)
        mine = np.flatnonzero((lines.kinds == index) & (lines.leaders != np.arange(len(lines.kinds))))
        mine = mine[row_of[lines.leaders[mine]] >= 0]  # of a row whose first line was read
        rows = row_of[lines.leaders[mine]]
        at = np.full(len(begins), -1, dtype=np.int64)
        seen = np.zeros(len(begins), dtype=bool)
        _, firsts = np.unique(rows, return_index=True)
        again = np.ones(len(mine), dtype=bool)
        again[firsts] = False
        for place in mine[again].tolist():
            self._tell(place, record.name, "", "SEGMENTO_REPETIDO", "a linha está duas vezes", self._original(place))
        at[rows[firsts]] = lines.places[mine[firsts]]
        seen[rows] = True
        if record.required:
            for row in np.flatnonzero(~seen).tolist():
                place = int(begins[row])
                detail = f"falta a linha {record.name} depois desta"
                self._tell(place, head.name, "", "SEGMENTO_AUSENTE", detail, self._original(place))
        source = _together(self._batches[index]) if self._batches[index] else _nothing(record)
        taken = pl.Series(np.where(at < 0, 0, at)).set(pl.Series(at < 0), None)
        found = source.select(pl.all().gather(taken)) if source.height else source.clear(len(begins))
        for name in shared_fields(head, record):
            differs = frame[name].ne_missing(found[name]).to_numpy() & (at >= 0)
            for row in np.flatnonzero(differs).tolist():
                place = int(lines.numbers.searchsorted(lines.numbers[begins[row]]))
                detail = f"não é o mesmo em {head.name} e em {record.name}"
                self._tell(place, head.name, name, "SEGMENTO_DIVERGE", detail, self._original(place))
        return frame.hstack(found.select(name for name in found.columns if name not in frame.columns))

    def _reject(self, told: list[_Told]) -> Reject:
        first, *others = sorted(told, key=lambda one: one.line) if told[0].reason != "SEGMENTO_SOLTO" else told
        more = [f"{one.field or one.record}: {one.reason}" for one in others[:MOST_OTHERS]]
        if len(others) > MOST_OTHERS:
            more.append(f"e mais {len(others) - MOST_OTHERS}")
        return Reject(
            first.line, first.record, first.field, first.reason, first.detail, "; ".join(more), first.original()
        )


def _together(batches: list[Batch]) -> pl.DataFrame:
    return pl.concat([batch.decoded.frame for batch in batches])


def _nothing(record: Record) -> pl.DataFrame:
    from atom_pipeline.layout.schema import record_schema

    schema = {name: dtype for name, dtype in record_schema(record).items() if name in record.by_name}
    return pl.DataFrame(schema=schema)


def _part(batch: Batch, line: int) -> tuple[Batch, Batch]:
    """The lines of a batch before a line, and those from it on."""
    at = int(np.searchsorted(batch.lines, line))

    def faults(wanted: Callable[[Positions], npt.NDArray[np.bool_]], less: int) -> list[Fault]:
        parted = []
        for fault in batch.decoded.faults:
            mine = wanted(fault.rows)
            if mine.any():
                details = [detail for detail, kept in zip(fault.details, mine.tolist(), strict=True) if kept]
                parted.append(replace(fault, rows=fault.rows[mine] - less, details=details))
        return parted

    frame = batch.decoded.frame
    before = Decoded(frame[:at], faults(lambda rows: rows < at, 0))
    after = Decoded(frame[at:], faults(lambda rows: rows >= at, at))
    return (
        replace(batch, lines=batch.lines[:at], decoded=before),
        Batch(batch.plan, batch.lines[at:], after, lambda row: batch.original(row + at)),
    )


class Giving:
    """What headers give to the rows after them: the file's header to all, a lot's header to those of its lot."""

    def __init__(self, version: Version) -> None:
        self._givers = [record for record in version.records if record.gives]
        self._lines: dict[str, list[int]] = {record.name: [] for record in self._givers}
        self._values: dict[str, list[dict[str, Any]]] = {record.name: [] for record in self._givers}
        self._order = {record.name: [field.name for field in record.fields] for record in version.details}

    def add(self, portion: Portion) -> None:
        """Take in the headers of a portion."""
        for batch in portion.batches:
            if batch.plan.name in self._lines:
                self._lines[batch.plan.name] += batch.lines.tolist()
                self._values[batch.plan.name] += batch.decoded.frame.to_dicts()

    def give(self, rows: ReadPortion) -> ReadPortion:
        """The rows with the columns that headers give, in the order of the layout."""
        if not self._givers:
            return rows
        return replace(rows, frames={name: self._given(name, frame) for name, frame in rows.frames.items()})

    def _given(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        from atom_pipeline.layout.schema import field_type

        for record in self._givers:
            lines = np.array(self._lines[record.name], dtype=np.int64)
            at = np.searchsorted(lines, frame[LINE].to_numpy(), side="right") - 1
            taken = pl.Series(np.maximum(at, 0)).set(pl.Series(at < 0), None)
            schema = {one: field_type(record.field(one)) for one in record.gives}
            values = pl.DataFrame([{one: value[one] for one in schema} for value in self._values[record.name]], schema)
            found = values.select(pl.all().gather(taken)) if values.height else values.clear(frame.height)
            frame = frame.hstack(found)
        return frame.select(*self._order[name], *(one for one in (LINE, RECORD) if one not in self._order[name]))
