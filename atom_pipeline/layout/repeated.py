"""Lines of a large file whose key seems to stand again further down, told before the file is read.

Of a layout whose later row holds these rows are written for nothing, and to take a few out of a table it must be
written again. What is told here is a guess by the bytes of the key: whoever leaves rows out must know at the end of the
file that a row which was accepted replaces each of them.
"""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import polars as pl

from atom_pipeline.layout.model import FixedFormat, Layout, Version
from atom_pipeline.layout.schema import LINE

MOST = 20_000  # lines: more of them than this, and the table is better written twice
_MAPPED_BYTES = 64 * 1024 * 1024  # of the file at a time: pages that were looked at count as memory of the process
_WORD = 8  # bytes


def lines_replaced(path: Path, layout: Layout, version: Version) -> pl.Series:
    """The numbers (UInt32, from 1) of lines whose key stands again below, in bytes; none where that cannot be told.

    It can be told of a file of fixed-width lines, all of one length, with one type of row.
    """
    none = pl.Series(LINE, [], dtype=pl.UInt32)
    if not isinstance(version.format, FixedFormat) or version.format.newline == "none" or len(version.details) != 1:
        return none
    record = version.details[0]
    spans = {field.name: (start, stop) for field, start, stop in record.spans()}
    if not layout.key or record.length is None or not all(name in spans for name in layout.key):
        return none
    keys = _keys(path, record.length, [spans[name] for name in layout.key])
    if keys is None:
        return none
    words = pl.DataFrame({str(place): word for place, word in enumerate(keys.view(np.uint64).T)})
    earlier = words.select((~pl.struct(pl.all()).is_last_distinct()).arg_true() + 1).to_series()
    return earlier.cast(pl.UInt32).alias(LINE) if 0 < earlier.len() <= MOST else none


def _keys(
    path: Path, length: int, spans: list[tuple[int, int]]
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]] | None:
    """The bytes of every line's key, a row each, zeros after them; None when the lines are not all of this length."""
    with path.open("rb") as stream:
        ending = stream.read(length + 2)[length:]
        step = length + (2 if ending == b"\r\n" else 1)
        size = stream.seek(0, 2)
        count = (size + step - length) // step  # the last line may end without a break
        if not ending.startswith((b"\r\n", b"\n")) or size not in (count * step, count * step - (step - length)):
            return None
        width = sum(stop - start for start, stop in spans)
        keys = np.zeros((count, -(-width // _WORD) * _WORD), dtype=np.uint8)
        at_a_time = max(1, _MAPPED_BYTES // step)
        for first in range(0, count, at_a_time):
            some = min(at_a_time, count - first)
            begin = first * step // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
            room = min(size, (first + some) * step) - begin
            mapped = np.memmap(stream, dtype=np.uint8, mode="r", offset=begin, shape=(room,))
            lines = np.lib.stride_tricks.as_strided(
                mapped[first * step - begin :], shape=(some, length), strides=(step, 1), writeable=False
            )
            place = 0
            for start, stop in spans:
                keys[first : first + some, place : place + stop - start] = lines[:, start:stop]
                place += stop - start
            del lines, mapped
    return keys
