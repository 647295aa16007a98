"""Counts and sums over a whole file or over one lot of it: what headers and trailers say, read or written."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from atom_pipeline.layout.batches import Batch
from atom_pipeline.layout.model import Record, Total


class Scope:
    """Lines counted and fields added up, for the totals of some record types.

    ``unreadable`` counts the lines whose value, or whose condition, could not be read.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._totals: dict[str, list[Total]] = {}  # by the record type that they are about
        for record in records:
            for total in record.totals:
                for name in _about(total):
                    known = self._totals.setdefault(name, [])
                    if total not in known:
                        known.append(total)
        self.lines = 0
        self._counts: Counter[str] = Counter()
        self._found: dict[Total, Any] = defaultdict(int)
        self.unreadable: Counter[Total] = Counter()

    def count(self, record: str, lines: int) -> None:
        """Lines of a record type whose fields were not looked at."""
        self._counts[record] += lines
        for total in self._totals.get(record, ()):
            if total.sum_of is not None or total.where is not None:
                self.unreadable[total] += lines

    def add(self, record: str, frame: pl.DataFrame, unreadable: dict[str, int] | None = None) -> None:
        """Lines of a record type, typed. ``unreadable``: values that are null since they do not convert, by field."""
        self._counts[record] += frame.height
        for total in self._totals.get(record, ()):
            rows = frame
            if total.where is not None:
                rows = frame.filter(pl.col(total.where.field) == total.where.equals)
            if total.sum_of is not None:
                field = total.sum_of.partition(".")[2]
                self._found[total] += rows[field].sum() or 0
                self.unreadable[total] += (unreadable or {}).get(field, 0)
            elif total.where is not None:
                self._found[total] += rows.height

    def value(self, total: Total) -> Any:
        """The count or sum of a total: int, or Decimal for a sum of decimals."""
        if total.sum_of is not None or total.where is not None:
            return self._found[total]
        return self.lines if total.count == ("*",) else sum(self._counts[name] for name in total.count)


def count_batch(scope: Scope, batch: Batch, rows: slice = slice(None)) -> None:
    """Count lines of a batch, all of them or those of a lot."""
    frame = batch.decoded.frame[rows]
    unreadable: dict[str, int] = {}
    for fault in batch.decoded.faults:
        if fault.reason == "TIPO":
            low, high, _ = rows.indices(len(batch.lines))
            among = np.count_nonzero((fault.rows >= low) & (fault.rows < high))
            unreadable[fault.field] = unreadable.get(fault.field, 0) + int(among)
    scope.add(batch.plan.name, frame, unreadable)


def words(total: Total) -> str:
    """What a total is of, for a person."""
    if total.sum_of is not None:
        what = f"a soma de {total.sum_of}"
    else:
        what = "a contagem de " + ("linhas" if total.count == ("*",) else ", ".join(total.count))
    return f"{what} com {total.where.field} {total.where.equals}" if total.where else what


def _about(total: Total) -> Iterable[str]:
    return (total.sum_of.partition(".")[0],) if total.sum_of is not None else total.count
