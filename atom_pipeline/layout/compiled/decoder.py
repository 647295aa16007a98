"""Large fixed-width files: the loops of ``cells`` for what is usual, ``convert`` for what is not.

``QuickDecoder`` gives what ``fixed.decode_block`` gives, faults included, in a fraction of the time: nearly every cell
of a file is usual. The cells that are not go through ``convert``, so that every rule is written once, there.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.layout.batches import NO_ROWS
from atom_pipeline.layout.blocks import ROOM, Block, Look, Positions
from atom_pipeline.layout.compiled.arrow import MOST_BUFFERS, Columns, address_of
from atom_pipeline.layout.compiled.codes import INLINE, SEEN_CELLS, SEEN_DATES, TILE, WORD, Bytes, Column, Numbers, Op
from atom_pipeline.layout.compiled.judged import MOST_CELLS, Judged
from atom_pipeline.layout.compiled.machine import function
from atom_pipeline.layout.compiled.program import compile_record
from atom_pipeline.layout.convert import Decoded, Fault, RecordPlan, convert
from atom_pipeline.layout.pool import KEPT_BUFFERS, Pool, carved, carved_bytes
from atom_pipeline.layout.schema import PRECISION

_ARROW_FORMATS = {Op.INTEGER: "l", Op.DATE: "tdD", Op.TIME: "ttn", Op.DATETIME: "tsu:"}
_PLAIN: tuple[Bytes, Numbers] = np.zeros((256, 3), dtype=np.uint8), np.ones(256, dtype=np.int64)


class QuickDecoder:
    """Decodes blocks of one record type. Made once per file; several threads may use it at once."""

    def __init__(self, plan: RecordPlan, encoding: str) -> None:
        self._plan = plan
        self._program = compile_record(plan)
        rows = self._program.fields.tolist()
        self._spelling = _PLAIN if encoding in {"utf-8", "ascii"} else spelling_in_utf8(encoding)
        named = zip(self._program.places, (Op(row[Column.OP]) for row in rows), strict=True)
        self._columns = Columns({plan.names[place]: self._format(place, op) for place, op in named})
        self._judged = Judged(plan.fields)
        spans = {name: (start, stop) for name, start, stop in plan.spans}
        self._deciding = [  # a document is judged by whose it is, too
            [spans[name] for name in (one.name, one.field.person_type) if name] for one in plan.fields
        ]
        self._read_cells = function("read_cells")
        self._memory, self._text = Pool(KEPT_BUFFERS), Pool(KEPT_BUFFERS, sparse=True)
        self.left = frozenset(range(len(plan.fields))) - set(self._program.places)  # fields that convert reads whole

    def _format(self, place: int, op: Op) -> str:
        """The Arrow type of a field of the program."""
        if op is Op.DECIMAL:
            return f"d:{PRECISION},{self._plan.fields[place].field.decimals}"
        return "vu" if op <= Op.DOCUMENT else _ARROW_FORMATS[op]

    def decode(self, block: Block, rows: Positions) -> Decoded:
        """Typed columns and faults of these lines of a block: all of one record type and of its length."""
        frame, doubts = self.usual(block, rows) if self._program.places else (pl.DataFrame(), NO_ROWS)
        faults: dict[str, list[Fault]] = {}
        if len(doubts):
            self._judge(frame, doubts, block, rows, faults)
        if self.left:
            decoded = self._convert(self.left, block, rows)
            names = [self._plan.names[place] for place in self.left]
            frame = pl.concat([frame, decoded.frame.select(names)], how="horizontal").select(self._plan.names)
            _add(faults, decoded.faults, np.arange(len(rows)))
        return Decoded(frame, [fault for name in self._plan.names for fault in faults.get(name, ())])

    def _judge(
        self, frame: pl.DataFrame, doubts: Positions, block: Block, rows: Positions, faults: dict[str, list[Fault]]
    ) -> None:
        """Put the values of the cells in doubt into the frame, and what is wrong with them into ``faults``."""
        fields, firsts = np.unique(doubts[:, 0], return_index=True)
        unknown: list[tuple[int, int, Positions, list[bytes]]] = []
        for column, where in zip(fields.tolist(), np.split(doubts[:, 1], firsts[1:]), strict=True):
            place = self._program.places[column]
            name = self._plan.names[place]
            begins = block.starts[rows[where[:MOST_CELLS]]].tolist()
            cells = [
                b"\n".join(block.array[begin + start : begin + stop].tobytes() for start, stop in self._deciding[place])
                for begin in begins
            ]
            known = self._judged.recall(place, cells, where) if len(cells) == len(where) else None
            if known is None:
                unknown.append((column, place, where, cells))
                continue
            frame.replace_column(column, frame.to_series(column).scatter(where, known[0]))
            faults[name] = known[1]
        if not unknown:
            return
        doubtful = np.unique(np.concatenate([where for _, _, where, _ in unknown]))
        decoded = self._convert(frozenset(place for _, place, _, _ in unknown), block, rows[doubtful])
        _add(faults, decoded.faults, doubtful)
        order = np.arange(len(rows), dtype=np.uint32)
        order[doubtful] = np.arange(len(rows), len(rows) + len(doubtful))
        for column, place, where, cells in unknown:
            name = self._plan.names[place]
            values = decoded.frame[name]
            frame.replace_column(column, pl.concat([frame.to_series(column), values]).gather(order))
            if len(cells) == len(where):
                asked = values.gather(np.searchsorted(doubtful, where))
                self._judged.keep(place, cells, asked, where, faults.get(name, []))

    def _convert(self, places: frozenset[int], block: Block, rows: Positions) -> Decoded:
        """Some of the fields of some lines, by ``convert``."""
        part = self._plan.part(places)
        decoded = convert(part, cut(part, block, rows))
        asked = {self._plan.names[place] for place in places}
        return Decoded(decoded.frame, [fault for fault in decoded.faults if fault.field in asked])

    def usual(self, block: Block, rows: Positions) -> tuple[pl.DataFrame, Positions]:
        """The columns of the program's fields, without values in doubt; (field, row) of each of these."""
        program, height = self._program, len(rows)
        fields, sets = program.fields, program.tables[0]
        plain = block.ascii or self._spelling is _PLAIN
        kinds = fields[:, Column.OP]
        texts = fields[kinds <= Op.DOCUMENT]
        count = {kind: int((kinds == kind).sum()) for kind in Op}
        widths = np.maximum(texts[:, Column.STOP] - texts[:, Column.START], texts[:, Column.ZERO_PAD])
        most = 1 if plain else int(self._spelling[1].max())
        room = np.where(widths * most > INLINE, widths * height, widths) * most + 2 * WORD
        bases = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
        text, cursors = self._text.take(int(bases[-1]) + ROOM), bases.copy()
        shapes: list[tuple[tuple[int, ...], npt.DTypeLike]] = [
            ((len(texts), height, 2), np.uint64),
            ((count[Op.INTEGER] + count[Op.TIME] + count[Op.DATETIME], height), np.int64),
            ((count[Op.DECIMAL], height, 2), np.int64),
            ((count[Op.DATE], height), np.int32),
            ((len(fields), -(-height // TILE)), np.uint64),
        ]
        memory = self._memory.take(carved_bytes(shapes))
        memory[:] = 0
        views, wholes, decimals, days, valid = carved(memory, shapes)
        doubts = np.empty((len(fields) * height, 2), dtype=np.int32)
        seen_cells = np.zeros((len(fields), 1 << SEEN_CELLS), dtype=np.uint64)
        seen_dates = np.zeros((max(1, len(program.formats)), 1 << SEEN_DATES, 2), dtype=np.uint64)
        words = -(-int(fields[:, Column.STOP].max()) // 64)
        told = self._read_cells([
            block.roomy, block.starts[rows], fields, *sets, *program.tables[1:], program.formats, *self._spelling,
            np.array([plain]), bases, text, views, cursors, wholes, decimals, days, valid, doubts, seen_cells,
            seen_dates, np.empty((TILE + 2, words), dtype=np.uint64), np.empty((TILE, 2), dtype=np.int32),
            np.empty(TILE, dtype=np.int64),
        ])  # fmt: skip
        nulls = height - np.bitwise_count(valid).sum(axis=1, dtype=np.int64)
        addresses = np.zeros((len(fields), MOST_BUFFERS), dtype=np.int64)
        addresses[:, 0] = np.where(nulls > 0, address_of(valid), 0)
        sizes, slots = cursors - bases, fields[:, Column.SLOT]
        for of_kind, outputs in (
            (kinds <= Op.DOCUMENT, views),
            ((kinds == Op.INTEGER) | (kinds >= Op.TIME), wholes),
            (kinds == Op.DECIMAL, decimals),
            (kinds == Op.DATE, days),
        ):
            addresses[of_kind, 1] = address_of(outputs)[slots[of_kind]]
        of_text = slots[kinds <= Op.DOCUMENT]
        addresses[kinds <= Op.DOCUMENT, 2] = text.ctypes.data + bases[of_text]
        addresses[kinds <= Op.DOCUMENT, 3] = address_of(sizes)[of_text]
        frame = self._columns.frame(height, nulls, addresses, memory, text, sizes)
        order = np.argsort(doubts[:told, 0], kind="stable")
        return frame, doubts[order].astype(np.int64)


def look_over(array: Bytes) -> Look:
    """See ``Look``. ``ROOM`` bytes after the array's end must be there."""
    others = np.empty(2, dtype=np.int64)
    newlines = np.empty(len(array) // 128 + 1, dtype=np.int64)
    found = function("look_over")([array, newlines, others])
    if found > len(newlines):
        newlines = np.empty(found, dtype=np.int64)
        function("look_over")([array, newlines, others])
    return Look(newlines[:found].copy(), int(others[0]), not others[1])


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
