"""Lots of a file that is read (CNAB 240): a header, details and a trailer each, with numbers and totals of their own.

Every detail stands in a lot, every lot is closed before the next one begins, and its trailer says what is in it; what
disagrees refuses the file (LOTE_DIVERGE, SEQUENCIA_DIVERGE). The comparing itself is in ``totals`` and ``sequences``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from atom_pipeline.layout.batches import Batch, Portion
from atom_pipeline.layout.model import Numbered, Record, RecordRole, Version
from atom_pipeline.layout.schema import LINE, RECORD, record_schema
from atom_pipeline.layout.scopes import Scope, count_batch
from atom_pipeline.layout.sequences import Counting, Numbers, numbers_of, sequence_field

if TYPE_CHECKING:
    from atom_pipeline.layout.totals import Tally

_BEYOND = 2**62  # after every line


class LotTally:
    """Follows the lots of a file while it is read."""

    def __init__(self, version: Version, tally: Tally) -> None:
        self._version = version
        self._tally = tally
        self._trailer = version.of_role(RecordRole.LOT_TRAILER)
        self._records = [one for one in version.records if one.role in {RecordRole.LOT_HEADER, RecordRole.LOT_TRAILER}]
        self._frames: dict[str, list[pl.DataFrame]] = {record.name: [] for record in self._records}
        self._scope = Scope(self._records)
        self._began: int | None = None  # the line of the header of the lot that is open
        self._number = 0  # lots begun
        self._starts = {
            of: next((field.sequence.start for field in fields if field and field.sequence), None)
            for of in (Numbered.LINES_OF_LOT, Numbered.LOTS)
            if (fields := [sequence_field(record, of) for record in version.records])
        }
        self._counting: dict[Numbered, Counting] = {}

    def frames(self) -> dict[str, pl.DataFrame]:
        """The lots' headers and trailers by record type, with ``linha``."""
        return {
            record.name: pl.concat([pl.DataFrame(schema=_schema(record)), *self._frames[record.name]])
            for record in self._records
        }

    def add(self, portion: Portion, name: str) -> None:
        """Take in a portion: first what goes on with the open lot, then each lot that begins in it."""
        if not self._counting:
            self._counting = {of: Counting(of, start, name) for of, start in self._starts.items() if start is not None}
        numbers = {of: numbers_of(self._version, of, portion) for of in self._counting}
        bounds = self._bounds(portion)
        low = 0
        for line, batch, position in bounds:
            opens = batch.plan.record.role is RecordRole.LOT_HEADER
            self._stretch(portion, numbers, low, line if opens else line + 1)
            low = line if opens else line + 1
            if opens:
                self._begin(line)
            else:
                self._end(line, batch, position)
        self._stretch(portion, numbers, low, _BEYOND)
        for batch in portion.batches:
            if batch.plan.name in self._frames:
                frame = batch.decoded.frame
                if LINE not in frame.columns:
                    frame = frame.with_columns(pl.Series(LINE, batch.lines, dtype=pl.UInt32))
                self._frames[batch.plan.name].append(frame)

    def _bounds(self, portion: Portion) -> list[tuple[int, Batch, int]]:
        """The lines of the portion that begin or end a lot, in order."""
        found = [
            (int(line), batch, position)
            for batch in portion.batches
            if batch.plan.name in self._frames
            for position, line in enumerate(batch.lines)
        ]
        return sorted(found, key=lambda bound: bound[0])

    def _stretch(self, portion: Portion, numbers: dict[Numbered, Numbers], low: int, high: int) -> None:
        """The lines from ``low`` to before ``high``, all of one lot or of none."""
        for batch in portion.batches:
            first, last = np.searchsorted(batch.lines, [low, high]).tolist()
            if first == last:
                continue
            if self._began is not None:
                self._scope.lines += last - first
                count_batch(self._scope, batch, slice(first, last))
            elif batch.plan.record.role is RecordRole.DETAIL:
                line = int(batch.lines[first])
                raise self._tally.refused(RecordRole.LOT_HEADER, f"a linha {line} não está em nenhum lote", line)
        if self._began is not None:
            faults = [fault for fault in portion.faults if low <= fault.line < high]
            self._scope.lines += len(faults)
            for fault in faults:
                if fault.record:
                    self._scope.count(fault.record, 1)
        for of, counting in self._counting.items() if self._began is not None else ():
            mine = numbers[of].between(low, high)
            if of is Numbered.LOTS:
                counting.hold(mine, counting.start + self._number - 1)
            else:
                counting.follow(mine)

    def _begin(self, line: int) -> None:
        self._closed(line)
        self._began = line
        self._number += 1
        self._scope = Scope(self._records)
        if Numbered.LINES_OF_LOT in self._counting:
            self._counting[Numbered.LINES_OF_LOT].begin()

    def _end(self, line: int, batch: Batch, position: int) -> None:
        record = batch.plan.record
        if self._began is None:
            raise self._tally.refused(record.role, "o trailer do lote não tem cabeçalho antes dele", line)
        found = batch.decoded.frame.row(position, named=True)
        for total in record.totals:
            self._tally.verify_total(record, total, self._scope, found, line)
        self._began = None

    def _closed(self, line: int) -> None:
        """A lot is over when its trailer came; without trailers, when something else begins."""
        if self._began is not None and self._trailer is not None and self._trailer.required:
            message = f"o lote que começa na linha {self._began} não tem trailer até a linha {line}"
            raise self._tally.refused(RecordRole.LOT_TRAILER, message, self._began)

    def finish(self, last_line: int) -> None:
        """Raises FileRefused when the last lot was not closed."""
        self._closed(last_line)


def _schema(record: Record) -> dict[str, pl.DataType]:
    return {name: dtype for name, dtype in record_schema(record).items() if name != RECORD or name in record.by_name}
