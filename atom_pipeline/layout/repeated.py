"""Lines of a large file whose key seems to stand again further down, told before the file is read.

Of a layout whose later row holds these rows are written for nothing, and to take a few out of a table it must be
written again. What is told here is a guess by the bytes of the key: whoever leaves rows out must know at the end of the
file that a row which was accepted replaces each of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.layout.model import FixedFormat, Layout, Version
from atom_pipeline.layout.schema import LINE

MOST = 20_000  # lines: more of them than this, and the table is better written twice
_READ_BYTES = 4 * 1024 * 1024  # at a time
_MOST_ODD = 1_000  # lines of another length: of a file with more of them only the lines before are looked at
_WORD = 8  # bytes
_BREAK = ord("\n")
_NO_LINES = np.zeros(0, dtype=np.uint32)


def lines_replaced(path: Path, layout: Layout, version: Version) -> pl.Series:
    """The numbers (UInt32, from 1) of lines whose key stands again below, in bytes; none where that cannot be told.

    It can be told of a file of fixed-width lines, nearly all of one length, with one type of row.
    """
    none = pl.Series(LINE, [], dtype=pl.UInt32)
    if not isinstance(version.format, FixedFormat) or version.format.newline == "none" or len(version.details) != 1:
        return none
    record = version.details[0]
    spans = {field.name: (start, stop) for field, start, stop in record.spans()}
    if not layout.key or record.length is None or not all(name in spans for name in layout.key):
        return none
    keys, numbers = _keys(path, record.length, [spans[name] for name in layout.key])
    words = pl.DataFrame({str(place): word for place, word in enumerate(keys.view(np.uint64).T)})
    earlier = words.select((~pl.struct(pl.all()).is_last_distinct()).arg_true()).to_series()
    return pl.Series(LINE, numbers[earlier.to_numpy()], pl.UInt32) if 0 < earlier.len() <= MOST else none


def _keys(
    path: Path, length: int, spans: list[tuple[int, int]]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """The bytes of every line's key, a row each, zeros after them, and the lines' numbers: of those of this length."""
    width = sum(stop - start for start, stop in spans)
    found, numbers, odd, number = list[npt.NDArray[np.uint8]](), list[npt.NDArray[np.uint32]](), 0, 1
    with path.open("rb") as stream:
        step = length + (2 if stream.read(length + 2)[length:] == b"\r\n" else 1)
        room = np.empty(max(1, _READ_BYTES // step) * step, dtype=np.uint8)
        at = stream.seek(0)
        while odd <= _MOST_ODD and (many := stream.readinto(room.data) // step):
            lines = room[: many * step].reshape(many, step)
            uneven = lines[:, step - 1] != _BREAK
            even = int(uneven.argmax()) if uneven.any() else many
            keys = np.zeros((even, -(-width // _WORD) * _WORD), dtype=np.uint8)
            place = 0
            for start, stop in spans:
                keys[:, place : place + stop - start] = lines[:even, start:stop]
                place += stop - start
            found.append(keys)
            numbers.append(np.arange(number, number + even, dtype=np.uint32))
            at, number = stream.seek(at + even * step), number + even
            if even < many:  # a line of another length: those after it are looked for anew
                at, number, odd = at + len(stream.readline()), number + 1, odd + 1
    return np.concatenate(found) if found else np.zeros((0, _WORD), np.uint8), np.concatenate(numbers or [_NO_LINES])
