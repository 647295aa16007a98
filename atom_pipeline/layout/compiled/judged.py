"""What ``convert`` said of cells before: a wrong area code is in a file a thousand times, and is wrong each time.

Starting the expressions for a few cells costs more than reading a million others. Kept are cells of text and digits,
each with the other cell of its line that decides on it, where there is one: whose a document is. The values are
personal data and stay in the memory of the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from atom_pipeline.layout.blocks import Positions
from atom_pipeline.layout.convert import Fault, FieldPlan
from atom_pipeline.layout.model import FieldType, Severity

MOST_KEPT = 10_000  # cells of a file
MOST_CELLS = 1_000  # of a field in a block; of more of them it costs nothing to ask again
_NAMES = {"name", "title", "at", "description", "unit", "source", "default"}  # facts that judge nothing


class _Judgement(NamedTuple):
    value: str | None
    faults: tuple[tuple[str, Severity, str], ...]


class Judged:
    """The cells of one record type. Several threads may use it at once."""

    def __init__(self, fields: Sequence[FieldPlan]) -> None:
        self._fields = fields
        self._kinds = [_kind(plan) for plan in fields]
        self._kept: dict[tuple[str, bytes], _Judgement] = {}

    def recall(self, place: int, cells: list[bytes], rows: Positions) -> tuple[pl.Series, list[Fault]] | None:
        """Values and faults of a field's cells, which stand in ``rows``; None where one of them is not known."""
        kind = self._kinds[place]
        if not kind or len(cells) > MOST_CELLS:
            return None
        found = []
        for cell in cells:
            judgement = self._kept.get((kind, cell))
            if judgement is None:
                return None
            found.append(judgement)
        values = pl.Series([one.value for one in found], dtype=pl.String)
        told: dict[tuple[str, Severity], tuple[list[int], list[str]]] = {}
        for row, one in zip(rows.tolist(), found, strict=True):
            for reason, severity, detail in one.faults:
                where, details = told.setdefault((reason, severity), ([], []))
                where.append(row)
                details.append(detail)
        plan = self._fields[place]
        faults = [
            Fault(plan.name, reason, severity, np.array(where, dtype=np.int64), details)
            for (reason, severity), (where, details) in told.items()
        ]
        if len(faults) > 1:
            order = [plan.type_reason, "OBRIGATORIO", *(rule.reason for rule in plan.rules)]
            faults.sort(key=lambda fault: order.index(fault.reason))
        return values, faults

    def keep(self, place: int, cells: list[bytes], values: pl.Series, rows: Positions, faults: list[Fault]) -> None:
        """Remember a field's cells: their values, and the faults of the field in those rows."""
        kind = self._kinds[place]
        if not kind or len(cells) > MOST_CELLS or len(self._kept) > MOST_KEPT:
            return
        told: dict[int, list[tuple[str, Severity, str]]] = {}
        for fault in faults:
            for row, detail in zip(fault.rows.tolist(), fault.details, strict=True):
                told.setdefault(row, []).append((fault.reason, fault.severity, detail))
        for cell, value, row in zip(cells, values, rows.tolist(), strict=True):
            self._kept[kind, cell] = _Judgement(value, tuple(told.get(row, ())))


def _kind(plan: FieldPlan) -> str:
    """The facts of a field by which its cells are judged; nothing where they are not kept."""
    field = plan.field
    if field.type not in {FieldType.TEXT, FieldType.DIGITS}:
        return ""
    return field.model_dump_json(exclude=_NAMES)
