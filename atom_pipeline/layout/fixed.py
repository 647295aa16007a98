"""Fixed-width files: which record each line is, and its bytes cut into columns.

Bytes become typed columns in one of two ways that give the same: ``decode_block`` here, by expressions, which starts at
once; and ``compiled``, several times as fast, which is worth its start for large files (``QUICK_FROM``). Blocks
are then decoded ahead, by as many threads as there are processors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.ahead import made_ahead
from atom_pipeline.layout.batches import Batch, LineFault, Portion, accepted_forms
from atom_pipeline.layout.blocks import Block, BlockReader, Bytes, Look, Positions, positions_where, refuse_many
from atom_pipeline.layout.characters import CharacterCheck, Cleaned
from atom_pipeline.layout.convert import Decoded, RecordPlan, convert

if TYPE_CHECKING:
    from atom_pipeline.layout.compiled.decoder import QuickDecoder

QUICK_FROM = 16 * 1024 * 1024  # bytes of a file: from here on the loops are worth that they are compiled once
QUICK_BLOCK_BYTES = 32 * 1024 * 1024  # several of them are in memory at once


def decode_block(plan: RecordPlan, block: Block, rows: Positions) -> Decoded:
    """Typed columns and faults of the given lines of a block: all of one record type and of its length.

    Widths are bytes. In a one-byte encoding a byte is a character; a UTF-8 line is cut by bytes.
    """
    text = block.text if len(rows) == block.height else block.text.gather(rows)
    line = pl.col("line").cast(pl.Binary)
    lines = text.alias("line").to_frame()
    if block.ascii or block.encoding == "utf-8":
        cuts = [line.bin.slice(start, stop - start) for _, start, stop in plan.spans]
    else:
        lines = lines.hstack(_places(plan, block, rows))
        cuts = [
            line.bin.slice(pl.col(_start(i)), pl.col(_size(i)))
            if _start(i) in lines.columns
            else line.bin.slice(start, stop - start)
            for i, (_, start, stop) in enumerate(plan.spans)
        ]
    named = zip(cuts, plan.names, strict=True)
    return convert(plan, lines.select(cut.cast(pl.String).alias(name) for cut, name in named))


def _places(plan: RecordPlan, block: Block, rows: Positions) -> pl.DataFrame:
    """Where each field begins, and its bytes, once the lines are UTF-8: an accent before or in it moves it.

    A pair of columns for each field that is moved in any line; the others stand where the layout says.
    """
    starts = np.array([start for _, start, _ in plan.spans], dtype=np.int64)
    widths = np.array([stop - start for _, start, stop in plan.spans], dtype=np.int64)
    extra = np.array([len(bytes([i]).decode(block.encoding, "replace").encode()) - 1 for i in range(256)])
    accents = positions_where(block.array, lambda piece: piece >= 0x80)
    lines = np.searchsorted(block.starts, accents, side="right") - 1
    place_of = np.full(block.height, -1, dtype=np.int64)
    place_of[rows] = np.arange(len(rows))
    mine = place_of[lines] >= 0
    accents, lines = accents[mine], lines[mine]
    fields = np.searchsorted(starts, accents - block.starts[lines], side="right") - 1
    cells = fields * len(rows) + place_of[lines]
    added = np.bincount(cells, weights=extra[block.array[accents]], minlength=len(starts) * len(rows))
    added = added.astype(np.int64).reshape(len(starts), len(rows))
    moved = np.cumsum(added, axis=0)
    columns: dict[str, npt.NDArray[np.int64]] = {}
    for i in range(int(fields.min()) if len(fields) else len(starts), len(starts)):
        columns[_start(i)] = starts[i] + moved[i] - added[i]
        columns[_size(i)] = widths[i] + added[i]
    return pl.DataFrame(columns)


def _start(index: int) -> str:
    return f"start:{index}"


def _size(index: int) -> str:
    return f"size:{index}"


class FixedDecoder:
    """Reads a fixed-width file portion by portion. ``quick``: by compiled loops."""

    def __init__(
        self, plans: list[RecordPlan], reader: BlockReader, characters: CharacterCheck, *, quick: bool = False
    ) -> None:
        self._plans = plans
        self._reader = reader
        self._characters = characters
        self._quick: list[QuickDecoder] = []
        if quick:
            from atom_pipeline.layout.compiled.decoder import (
                QuickDecoder,  # takes a second, which small files should not
            )

            self._quick = [QuickDecoder(plan, reader.encoding) for plan in plans]

    def portions(self) -> Iterator[Portion]:
        if self._quick:
            yield from self._portions_ahead()
        else:
            for block in self._blocks():
                yield self._portion(block, self._characters.clean(block))
        self._characters.finish()

    def _blocks(self) -> Iterator[Block]:
        while (block := self._reader.next_block()) is not None:
            yield block

    def _portions_ahead(self) -> Iterator[Portion]:
        """The portions in order, while the next ones are made."""
        blocks = ((block, self._characters.clean(block)) for block in self._blocks())
        return made_ahead(lambda one: self._portion(*one), blocks, workers=os.cpu_count() or 1)

    def _portion(self, block: Block, cleaned: Cleaned) -> Portion:
        kinds = which_record(self._plans, block)
        wanted = np.array([plan.record.length or 0 for plan in self._plans], dtype=np.int64)
        unknown, misfits = kinds < 0, (kinds >= 0) & (block.lengths != wanted[kinds])
        refuse_many(int((unknown | misfits).sum()), block, self._reader.name)
        faults: dict[int, LineFault] = {}

        def refuse(row: int, reason: str, detail: str, field: str = "") -> None:
            record = self._plans[kinds[row]].name if kinds[row] >= 0 else ""
            faults.setdefault(
                row, LineFault(block.first_line + row, record, reason, detail, block.original(row), field)
            )

        for row, detail in cleaned.faults.items():
            refuse(row, "CARACTERE", detail)
        for row in np.flatnonzero(unknown).tolist():
            refuse(row, "REGISTRO_DESCONHECIDO", f"{block.lengths[row]} bytes; nenhum tipo de registro do layout")
        for row in np.flatnonzero(misfits).tolist():
            refuse(row, "TAMANHO", f"{block.lengths[row]} bytes; o registro tem {wanted[kinds[row]]}")
        good = np.ones(block.height, dtype=bool)
        good[list(faults)] = False
        batches: list[Batch] = []
        for index, plan in enumerate(self._plans):
            rows = np.flatnonzero(good & (kinds == index))
            if block.encoding == "utf-8" and not block.ascii and len(rows):
                cut = _cut_characters(plan, block, rows)
                for row, field in cut.items():
                    refuse(row, "CARACTERE", "um caractere UTF-8 começa num campo e termina em outro", field)
                rows = rows[~np.isin(rows, list(cut))]
            if len(rows):
                quick = self._quick[index] if self._quick else None
                decoded = quick.decode(cleaned.block, rows) if quick else decode_block(plan, cleaned.block, rows)
                batches.append(Batch(plan, block.numbers(rows), decoded, _original(block, rows)))
        return Portion(batches, [faults[row] for row in sorted(faults)], block.height)


def quick_look() -> Callable[[Bytes], Look]:
    """The compiled way to look over bytes; loading it takes some milliseconds, which small files need not spend."""
    from atom_pipeline.layout.compiled.decoder import look_over

    return look_over


def which_record(plans: list[RecordPlan], block: Block) -> Positions:
    """The index of each line's record type; -1 where it is none. Told by the bytes of the fields that match."""
    kinds = np.full(block.height, -1, dtype=np.int64)
    for index, plan in enumerate(plans):
        rows = np.flatnonzero(kinds < 0)
        for match in plan.record.matches:
            start, stop = next((start, stop) for name, start, stop in plan.spans if name == match.field)
            rows = rows[block.lengths[rows] >= stop]
            found = block.array[block.starts[rows][:, None] + np.arange(start, stop)]
            matches = np.zeros(len(rows), dtype=bool)
            for form in accepted_forms(match.equals, stop - start):
                matches |= (found == np.frombuffer(form.encode(block.encoding), dtype=np.uint8)).all(axis=1)
            rows = rows[matches]
        kinds[rows] = index
    return kinds


def _cut_characters(plan: RecordPlan, block: Block, rows: Positions) -> dict[int, str]:
    """UTF-8 lines in which a field begins in the middle of a character: line row -> field."""
    starts = np.array([start for _, start, _ in plan.spans], dtype=np.int64)
    split = (block.array[block.starts[rows][:, None] + starts] & 0xC0) == 0x80
    bad = np.flatnonzero(split.any(axis=1))
    return {int(rows[i]): plan.spans[int(split[i].argmax())][0] for i in bad.tolist()}


def _original(block: Block, rows: Positions) -> Callable[[int], str]:
    return lambda position: block.original(int(rows[position]))
