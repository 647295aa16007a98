"""Large fixed-width files: the loops of ``cells`` for what is usual, ``convert`` for what is not.

``QuickDecoder`` gives what ``fixed.decode_block`` gives, faults included, in a fraction of the time: nearly every cell
of a file is usual. The cells that are not go through ``convert``, so that every rule is written once, there.
"""

from __future__ import annotations

import io
from typing import Any

import nanoarrow as na
import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.layout.batches import NO_ROWS
from atom_pipeline.layout.blocks import Block, Positions
from atom_pipeline.layout.compiled.cache import use_cache
from atom_pipeline.layout.compiled.codes import TILE, WORD, Bytes, Column, Numbers, Op
from atom_pipeline.layout.compiled.program import compile_record
from atom_pipeline.layout.convert import Decoded, Fault, RecordPlan, convert
from atom_pipeline.layout.schema import PRECISION

use_cache()
from atom_pipeline.layout.compiled.cells import read_cells  # noqa: E402

_ARROW_TYPES = {
    Op.INTEGER: na.int64(),
    Op.DATE: na.date32(),
    Op.TIME: na.time64("ns"),
    Op.DATETIME: na.timestamp("us"),
}
_PLAIN: tuple[Bytes, Numbers] = np.zeros((256, 3), dtype=np.uint8), np.ones(256, dtype=np.int64)


class QuickDecoder:
    """Decodes blocks of one record type. Made once per file; several threads may use it at once."""

    def __init__(self, plan: RecordPlan, encoding: str) -> None:
        self._plan = plan
        self._program = compile_record(plan)
        rows = self._program.fields.tolist()
        self._spelling = _PLAIN if encoding in {"utf-8", "ascii"} else spelling_in_utf8(encoding)
        self._outputs = [self._output(place, row) for place, row in zip(self._program.places, rows, strict=True)]
        self.left = frozenset(range(len(plan.fields))) - set(self._program.places)  # fields that convert reads whole

    def _output(self, place: int, row: list[int]) -> tuple[Op, int, Any]:
        """What a field of the program is read as: its operation, its slot, its Arrow type."""
        op = Op(row[Column.OP])
        if op is Op.DECIMAL:
            schema = na.decimal128(PRECISION, self._plan.fields[place].field.decimals)
        else:
            schema = na.string() if op <= Op.DOCUMENT else _ARROW_TYPES[op]
        return op, row[Column.SLOT], na.c_schema(schema)

    def decode(self, block: Block, rows: Positions) -> Decoded:
        """Typed columns and faults of these lines of a block: all of one record type and of its length."""
        columns, doubts = self.usual(block, rows) if self._program.places else ({}, NO_ROWS)
        faults: dict[str, list[Fault]] = {}
        if self.left:
            decoded = self._convert(self.left, block, rows)
            columns |= {place: decoded.frame[self._plan.names[place]] for place in self.left}
            _add(faults, decoded.faults, np.arange(len(rows)))
        if len(doubts):
            doubtful = np.unique(doubts[:, 1])
            places = frozenset(self._program.places[i] for i in np.unique(doubts[:, 0]).tolist())
            decoded = self._convert(places, block, rows[doubtful])
            order = np.arange(len(rows), dtype=np.uint32)
            order[doubtful] = np.arange(len(rows), len(rows) + len(doubtful))
            names = [self._plan.names[place] for place in places]
            usual = pl.DataFrame([columns[place].alias(self._plan.names[place]) for place in places])
            mended = pl.concat([usual, decoded.frame.select(names)]).select(pl.all().gather(order))
            columns |= dict(zip(places, mended, strict=True))
            _add(faults, decoded.faults, doubtful)
        frame = pl.DataFrame([columns[place].alias(name) for place, name in enumerate(self._plan.names)])
        return Decoded(frame, [fault for name in self._plan.names for fault in faults.get(name, ())])

    def _convert(self, places: frozenset[int], block: Block, rows: Positions) -> Decoded:
        """Some of the fields of some lines, by ``convert``."""
        part = self._plan.part(places)
        decoded = convert(part, cut(part, block, rows))
        asked = {self._plan.names[place] for place in places}
        return Decoded(decoded.frame, [fault for fault in decoded.faults if fault.field in asked])

    def usual(self, block: Block, rows: Positions) -> tuple[dict[int, pl.Series], Positions]:
        """The columns of the program's fields, without the values of the cells in doubt: (field, row) of each."""
        program, height = self._program, len(rows)
        fields = program.fields
        plain = block.ascii or self._spelling is _PLAIN
        is_text = fields[:, Column.OP] <= Op.DOCUMENT
        texts = fields[is_text]
        widths = np.maximum(texts[:, Column.STOP] - texts[:, Column.START], texts[:, Column.ZERO_PAD])
        room = widths * height * (1 if plain else int(self._spelling[1].max())) + WORD
        bases = np.concatenate([[0], np.cumsum(room)])
        kinds = fields[:, Column.OP]
        count = {kind: int((kinds == kind).sum()) for kind in Op}
        text = np.empty(int(bases[-1]), dtype=np.uint8)
        ends = np.empty((len(texts), height + 1), dtype=np.int32)
        ends[:, 0] = 0
        wholes = np.empty((count[Op.INTEGER] + count[Op.TIME] + count[Op.DATETIME], height), dtype=np.int64)
        decimals = np.empty((count[Op.DECIMAL], height, 2), dtype=np.int64)
        days = np.empty((count[Op.DATE], height), dtype=np.int32)
        valid = np.empty((len(fields), -(-height // TILE)), dtype=np.uint64)
        doubts = np.empty((len(fields) * height, 2), dtype=np.int32)
        told = read_cells(
            block.array, block.starts[rows], fields, program.tables, program.formats, self._spelling, plain, bases,
            (text, ends), (wholes, decimals, days), valid, doubts,
        )  # fmt: skip
        columns: dict[int, pl.Series] = {}
        for i, (place, (op, slot, schema)) in enumerate(zip(program.places, self._outputs, strict=True)):
            buffers: list[Any] = [valid[i]]
            if op <= Op.DOCUMENT:
                buffers += [ends[slot], text[bases[slot] : bases[slot] + ends[slot, height]]]
            else:
                buffers.append(decimals[slot] if op is Op.DECIMAL else days[slot] if op is Op.DATE else wholes[slot])
            columns[place] = pl.Series(na.c_array_from_buffers(schema, height, buffers))
        return columns, doubts[:told].astype(np.int64)


def cut(plan: RecordPlan, block: Block, rows: Positions) -> pl.DataFrame:
    """The raw text of a plan's fields in some lines of a block, all in one go: field after field, a cell a line."""
    begins = block.starts[rows][:, None]
    parts = []
    for _, start, stop in plan.spans:
        cells = np.full((len(rows), stop - start + 1), 10, dtype=np.uint8)
        cells[:, :-1] = block.array[begins + np.arange(start, stop)]
        parts.append(cells.tobytes())
    data = b"".join(parts)
    if not (block.ascii or block.encoding == "utf-8"):
        data = data.decode(block.encoding).encode()
    text = pl.read_lines(io.BytesIO(data)).to_series()
    return pl.DataFrame([text.slice(i * len(rows), len(rows)).alias(name) for i, name in enumerate(plan.names)])


def spelling_in_utf8(encoding: str) -> tuple[Bytes, Numbers]:
    """Every byte of a one-byte encoding in UTF-8: up to three bytes, and how many. Undefined ones do not come here."""
    spelt, sizes = np.zeros((256, 3), dtype=np.uint8), np.zeros(256, dtype=np.int64)
    for byte in range(256):
        text = bytes([byte]).decode(encoding, "replace").encode()
        spelt[byte, : len(text)] = list(text)
        sizes[byte] = len(text)
    return spelt, sizes


def _add(faults: dict[str, list[Fault]], found: list[Fault], rows: npt.NDArray[np.int64]) -> None:
    """Faults of some rows, with their positions among all."""
    for fault in found:
        there = Fault(fault.field, fault.reason, fault.severity, rows[fault.rows], fault.details)
        faults.setdefault(fault.field, []).append(there)
