"""Numbers that go up by one: of the file's lines, of the lines of each lot, of the lots (FAULTS 20).

A line that is refused still has its number: one whose number cannot be read counts, and a line of no known type may
have had one or not. What does not go up by one refuses the file (SEQUENCIA_DIVERGE), with both numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.batches import NO_ROWS, Batch, Portion
from atom_pipeline.layout.blocks import Positions
from atom_pipeline.layout.model import Field, Numbered, Record, Version

NONE_READ = -1  # in place of a number: the line is refused, and nobody knows what stood there
EMPTY = -2  # in place of a number: nothing stands there
_REMEDY = "falta ou sobra linha: peça ao banco o arquivo inteiro"


@dataclass(frozen=True)
class Numbers:
    """The lines of a portion that one kind of number is about, in order, and what each holds."""

    lines: Positions
    values: Positions
    unknown: Positions  # lines of no known record type

    def between(self, low: int, high: int) -> Numbers:
        """Those of the lines from ``low`` to before ``high``."""
        at = slice(*np.searchsorted(self.lines, [low, high]).tolist())
        about = slice(*np.searchsorted(self.unknown, [low, high]).tolist())
        return Numbers(self.lines[at], self.values[at], self.unknown[about])


def sequence_field(record: Record, of: Numbered) -> Field | None:
    """The field of a record that holds such a number."""
    return next((one for one in record.fields if one.sequence is not None and one.sequence.of is of), None)


def numbers_of(version: Version, of: Numbered, portion: Portion) -> Numbers:
    """Gather one kind of number from a portion."""
    lines: list[Positions] = [NO_ROWS]
    values: list[Positions] = [NO_ROWS]
    for batch in portion.batches:
        holds = sequence_field(batch.plan.record, of)
        if holds is not None:
            lines.append(batch.lines)
            values.append(_values(batch, holds))
    holding = {record.name for record in version.records if sequence_field(record, of) is not None}
    refused = np.array([fault.line for fault in portion.faults if fault.record in holding], dtype=np.int64)
    every = np.concatenate([*lines, refused])
    order = np.argsort(every, kind="stable")
    found = np.concatenate([*values, np.full(len(refused), NONE_READ, dtype=np.int64)])
    unknown = np.array(sorted(fault.line for fault in portion.faults if not fault.record), dtype=np.int64)
    return Numbers(every[order], found[order], unknown)


def _values(batch: Batch, holds: Field) -> Positions:
    column = batch.decoded.frame[holds.name].cast(pl.Int64, strict=False)
    found = column.fill_null(EMPTY).to_numpy().astype(np.int64)
    for fault in batch.decoded.faults:
        if fault.field == holds.name:
            found[fault.rows[found[fault.rows] == EMPTY]] = NONE_READ
    return found


@dataclass
class Counting:
    """Follows one kind of number through a file, and begins again where ``begin`` says so (at a lot)."""

    of: Numbered
    start: int
    name: str  # of the file
    _next: int = field(init=False)
    _loose: int = field(default=0, init=False)  # lines since the last number that may or may not have had one

    def __post_init__(self) -> None:
        self._next = self.start

    def begin(self) -> None:
        self._next, self._loose = self.start, 0

    def follow(self, numbers: Numbers) -> None:
        """Take in the next lines. Raises FileRefused for the first number that is not the next one."""
        values = numbers.values
        read = np.flatnonzero(values != NONE_READ)
        loose = self._loose + np.searchsorted(numbers.unknown, numbers.lines)  # before each line
        if len(read):
            places = np.arange(len(values))
            steps = np.diff(values[read] - places[read], prepend=self._next)
            room = np.diff(loose[read], prepend=0)
            bad = np.flatnonzero((steps < 0) | (steps > room) | (values[read] == EMPTY))
            if len(bad):
                at = int(bad[0])
                before = self._next if at == 0 else int(values[read[at - 1]] - read[at - 1])
                self._refuse(int(before + read[at]), int(values[read[at]]), int(numbers.lines[read[at]]))
            last = read[-1]
            self._next = int(values[last] + len(values) - last)
            self._loose = self._loose + len(numbers.unknown) - int(loose[last])
        else:
            self._next += len(values)
            self._loose += len(numbers.unknown)

    def hold(self, numbers: Numbers, expected: int) -> None:
        """Take in lines that all hold one number: that of their lot."""
        bad = np.flatnonzero((numbers.values != expected) & (numbers.values != NONE_READ))
        if len(bad):
            self._refuse(expected, int(numbers.values[bad[0]]), int(numbers.lines[bad[0]]))

    def _refuse(self, expected: int, found: int, line: int) -> None:
        what = {
            Numbered.LINES: "o número sequencial da linha no arquivo",
            Numbered.LINES_OF_LOT: "o número sequencial da linha no lote",
            Numbered.LOTS: "o número do lote",
        }[self.of]
        says = "nada" if found == EMPTY else str(found)
        message = f"{what} é {says} na linha {line}, e devia ser {expected}"
        raise FileRefused("SEQUENCIA_DIVERGE", message, _REMEDY, file=self.name, line=line)
