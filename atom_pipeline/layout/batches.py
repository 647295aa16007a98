"""What a decoder of a format hands to ``reading``: rows of one record type, typed, and lines that are no record.

The shape only. ``fixed``, ``delimited`` and ``excel`` make it, each in its way; ``reading`` and ``totals`` use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from atom_pipeline.layout.blocks import Positions
from atom_pipeline.layout.convert import Decoded, RecordPlan


@dataclass(frozen=True)
class LineFault:
    """A line that is refused before its fields are looked at. ``record`` is its type where it could be told."""

    line: int
    record: str
    reason: str
    detail: str
    original: str
    field: str = ""


@dataclass(frozen=True)
class Batch:
    """Rows of one record type: their physical line numbers, typed columns, faults, and the original of a row."""

    plan: RecordPlan
    lines: Positions
    decoded: Decoded
    original: Callable[[int], str]


@dataclass(frozen=True)
class Portion:
    """All that was found in a part of a file: every line is in a batch or among the faults."""

    batches: list[Batch] = field(default_factory=list)
    faults: list[LineFault] = field(default_factory=list)
    physical_lines: int = 0  # records as they stand, blank ones too


class Decoder(Protocol):
    """One format: yields the file's portions in order. Raises FileRefused for what is wrong with it as a whole."""

    def portions(self) -> Iterator[Portion]: ...


def accepted_forms(equals: str, width: int) -> list[str]:
    """How a constant may stand in a field of that many bytes: blanks on either side, or zeros before it."""
    return sorted({equals.ljust(width), equals.rjust(width), equals.zfill(width)})


NO_ROWS: Positions = np.empty(0, dtype=np.int64)
