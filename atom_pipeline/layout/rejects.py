"""The refused rows of a file and the flagged ones, as tables: one row per refused line, with all that is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.layout.batches import Batch, LineFault
from atom_pipeline.layout.blocks import Positions
from atom_pipeline.layout.convert import Fault
from atom_pipeline.layout.model import Severity
from atom_pipeline.layout.schema import LINE, RECORD

REJECTS_SCHEMA: dict[str, pl.DataType] = {
    "linha": pl.UInt32(),
    "registro": pl.String(),
    "campo": pl.String(),
    "motivo": pl.String(),
    "detalhe": pl.String(),
    "outros": pl.String(),
    "original": pl.String(),
}
FLAGS_SCHEMA: dict[str, pl.DataType] = {"linha": pl.UInt32(), "campo": pl.String(), "motivo": pl.String()}
FEW = 16  # refused rows of a portion
MOST_OTHERS = 20  # faults told of one row, at most: a shifted line breaks nearly every field


@dataclass(frozen=True)
class Reject:
    """A refused line. ``others`` are its further faults, "campo: motivo" each."""

    line: int
    record: str
    field: str
    reason: str
    detail: str
    others: str
    original: str


@dataclass(frozen=True)
class Sorted:
    """A batch's rows: the accepted ones with ``linha`` and ``registro``, the refused ones, the flags of those kept."""

    accepted: pl.DataFrame
    rejects: list[Reject]
    flags: pl.DataFrame


def rejects_frame(rows: list[Reject]) -> pl.DataFrame:
    """The table of refused lines, by line."""
    ordered = sorted(rows, key=lambda row: row.line)
    return pl.DataFrame(
        [
            (row.line, row.record or None, row.field or None, row.reason, row.detail, row.others, row.original)
            for row in ordered
        ],
        schema=REJECTS_SCHEMA,
        orient="row",
    )


def from_line_fault(fault: LineFault) -> Reject:
    return Reject(fault.line, fault.record, fault.field, fault.reason, fault.detail, "", fault.original)


def sort_rows(batch: Batch) -> Sorted:
    """Part a batch into accepted and refused rows."""
    height = len(batch.lines)
    frame = batch.decoded.frame
    if LINE not in frame.columns:  # an error file has such fields of its own
        frame = frame.hstack([pl.Series(LINE, batch.lines.astype(np.uint32))])
    if RECORD not in frame.columns:
        frame = frame.hstack([pl.Series(RECORD, [batch.plan.name]).new_from_index(0, height)])
    refusing = [fault for fault in batch.decoded.faults if fault.severity is Severity.REFUSE]
    flagging = [fault for fault in batch.decoded.faults if fault.severity is Severity.FLAG]
    refused = np.zeros(height, dtype=bool)
    for fault in refusing:
        refused[fault.rows] = True
    rejects = _rejects(batch, refusing, height) if refused.any() else []
    return Sorted(_without(frame, refused) if rejects else frame, rejects, _flags(batch.lines, flagging, refused))


def _without(frame: pl.DataFrame, refused: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """The rows that are not refused. The parts between a few refused ones are not copied."""
    rows = np.flatnonzero(refused)
    if len(rows) > FEW:
        return frame.filter(pl.Series(~refused))
    edges = np.stack([[0, *(rows + 1)], [*rows, frame.height]], axis=1).tolist()
    return pl.concat([frame.slice(start, stop - start) for start, stop in edges], rechunk=False)


def _flags(lines: Positions, faults: list[Fault], refused: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """The flags of the rows that are kept, fault after fault."""
    kept = [fault.rows[~refused[fault.rows]] for fault in faults]
    if not any(map(len, kept)):
        return pl.DataFrame(schema=FLAGS_SCHEMA)
    which = np.repeat(np.arange(len(faults)), [len(rows) for rows in kept])
    return pl.DataFrame(
        [
            pl.Series("linha", lines[np.concatenate(kept)].astype(np.uint32)),
            pl.Series("campo", [fault.field for fault in faults]).gather(which),
            pl.Series("motivo", [fault.reason for fault in faults]).gather(which),
        ]
    )


def _rejects(batch: Batch, faults: list[Fault], height: int) -> list[Reject]:
    """One reject per refused row: its first fault, and the others in the order of the fields."""
    told = np.zeros(height, dtype=np.int64)
    found: dict[int, list[tuple[str, str, str]]] = {}
    for fault in faults:
        for row, detail in zip(fault.rows.tolist(), fault.details, strict=True):
            if told[row] <= MOST_OTHERS:
                found.setdefault(row, []).append((fault.field, fault.reason, detail))
            told[row] += 1
    rejects = []
    for row in sorted(found):
        (campo, motivo, detalhe), *others = found[row]
        more = [f"{name}: {reason}" for name, reason, _ in others]
        if told[row] > MOST_OTHERS + 1:
            more.append(f"e mais {told[row] - MOST_OTHERS - 1}")
        rejects.append(
            Reject(int(batch.lines[row]), batch.plan.name, campo, motivo, detalhe, "; ".join(more), batch.original(row))
        )
    return rejects
