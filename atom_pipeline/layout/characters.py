"""Which bytes may stand in a line: no NUL, control or C1 characters, only bytes of the declared encoding (FAULTS 18).

A line with a byte that may not be there is refused with the byte's place. A file declared in a one-byte encoding whose
accents are all valid UTF-8 was written in UTF-8: it is refused whole, since every name in it would be garbled.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.blocks import SCANNED, Block, Positions, positions_where, refuse_many

_UNDEFINED_CP1252 = (0x81, 0x8D, 0x8F, 0x90, 0x9D)


@dataclass(frozen=True)
class Cleaned:
    """The block with every faulty byte of ``faults`` replaced by a blank, and what was wrong: line row -> detail."""

    block: Block
    faults: dict[int, str]


class CharacterCheck:
    """Looks at every block of a file. ``allowed`` are control characters that may stand in it (a tab that delimits)."""

    def __init__(self, encoding: str, name: str, allowed: str = "") -> None:
        self._encoding = encoding
        self._name = name
        self._forbidden = np.zeros(256, dtype=bool)
        self._forbidden[:32] = self._forbidden[127] = True
        if encoding == "latin-1":
            self._forbidden[0x80:0xA0] = True
        elif encoding == "ascii":
            self._forbidden[0x80:] = True
        elif encoding == "cp1252":
            self._forbidden[list(_UNDEFINED_CP1252)] = True
        for character in allowed:
            self._forbidden[ord(character)] = False
        self._first_accent: int | None = None
        self._all_utf8 = True

    def clean(self, block: Block) -> Cleaned:
        """Find the forbidden bytes of a block and take them out of it."""
        if not block.ascii:
            self._watch_for_utf8(block)
        suspects = self._suspects(block)
        if not len(suspects):
            return Cleaned(block, {})
        faults: dict[int, str] = {}
        rows = np.searchsorted(block.starts, suspects, side="right") - 1
        unique, first = np.unique(rows, return_index=True)
        refuse_many(len(unique), block, self._name)
        for row, at in zip(unique.tolist(), suspects[first].tolist(), strict=True):
            byte, within = int(block.array[at]), at - int(block.starts[row]) + 1
            faults[row] = f"byte 0x{byte:02X} na posição {within} da linha (byte {block.offset + at + 1} do arquivo)"
        mended = block.array.copy()
        mended[suspects] = 32
        if self._encoding == "utf-8":
            for row in unique.tolist():
                line = mended[block.starts[row] : block.ends[row]]
                line[line >= 0x80] = 32
        return Cleaned(replace(block, array=mended, room=0, looked=None), faults)

    def finish(self) -> None:
        """Raise FileRefused CODIFICACAO when all that is not ASCII in the file is UTF-8 and should not be."""
        if self._first_accent is not None and self._all_utf8:
            raise FileRefused(
                "CODIFICACAO",
                f"o arquivo está em UTF-8 e o layout é {self._encoding} (primeiro no byte {self._first_accent + 1})",
                f"grave o arquivo em {self._encoding}",
                file=self._name,
            )

    def _watch_for_utf8(self, block: Block) -> None:
        if self._encoding not in {"latin-1", "cp1252"} or not self._all_utf8:
            return
        if self._first_accent is None:
            first = _first_accent(block.array)
            self._first_accent = block.offset + first
            if not _may_be_utf8(block.array[first : first + SCANNED].tobytes()):
                self._all_utf8 = False
                return
        try:
            str(block.array.data, "utf-8")
        except UnicodeDecodeError:
            self._all_utf8 = False

    def _suspects(self, block: Block) -> Positions:
        """Places of forbidden bytes, line breaks not among them."""
        array = block.array
        found: list[Positions] = []
        if self._may_hold_forbidden(block):
            bad = positions_where(array, lambda piece: self._forbidden[piece])
            if not block.record_length:
                follows = array[np.minimum(bad + 1, len(array) - 1)]
                bad = bad[(array[bad] != 10) & ~((array[bad] == 13) & (follows == 10))]
            found.append(bad)
        if self._encoding == "utf-8" and not block.ascii:
            found.append(_invalid_utf8(block))
        return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)

    def _may_hold_forbidden(self, block: Block) -> bool:
        """A cheap look: more control characters than line breaks, or a byte of the upper half that is not allowed."""
        if block.looked and (block.ascii or self._encoding == "latin-1"):
            return block.looked.controls > 0
        breaks = 0 if block.record_length else block.height + int((block.array[block.ends] == 13).sum())
        if block.ascii or self._encoding == "latin-1":
            return count_controls(block.array) != breaks
        return self._encoding != "utf-8" or count_between(block.array, 0, 32) != breaks or b"\x7f" in block.data


def _first_accent(array: npt.NDArray[np.uint8]) -> int:
    """Where the first byte that is not ASCII stands; there is one."""
    for start in range(0, len(array), SCANNED):
        high = array[start : start + SCANNED] >= 0x80
        if high.any():
            return start + int(high.argmax())
    raise ValueError("all is ASCII")


def _may_be_utf8(data: bytes) -> bool:
    """Whether the beginning of some text is UTF-8; its last character may be cut."""
    try:
        getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def count_between(array: npt.NDArray[np.uint8], first: int, size: int) -> int:
    """How many bytes are among the ``size`` values from ``first`` on."""
    # Made once, since pages that are touched for the first time cost more than the comparison.
    shifted, among = np.empty(SCANNED, dtype=np.uint8), np.empty(SCANNED, dtype=bool)
    count = 0
    for start in range(0, len(array), SCANNED):
        piece = array[start : start + SCANNED]
        if first:
            piece = np.subtract(piece, np.uint8(first), out=shifted[: len(piece)])
        count += int(np.count_nonzero(np.less(piece, size, out=among[: len(piece)])))
    return count


def count_controls(array: npt.NDArray[np.uint8]) -> int:
    """How many bytes are control characters of ASCII or latin-1, in one look: 0 to 31, 127 to 159, and 255 besides."""
    shifted, among = np.empty(SCANNED, dtype=np.uint8), np.empty(SCANNED, dtype=bool)
    count = 0
    for start in range(0, len(array), SCANNED):
        piece = array[start : start + SCANNED]
        shifted_piece = np.add(piece, np.uint8(1), out=shifted[: len(piece)])
        np.bitwise_and(shifted_piece, np.uint8(0x7F), out=shifted_piece)
        count += int(np.count_nonzero(np.less_equal(shifted_piece, np.uint8(32), out=among[: len(piece)])))
    return count


def _invalid_utf8(block: Block) -> Positions:
    """Bytes that are no UTF-8, and characters that are valid but may not be in the base: C1 controls and U+FFFD."""
    found: list[int] = []
    try:
        block.data.decode("utf-8")
        valid = True
    except UnicodeDecodeError:
        valid = False
    if valid and b"\xef\xbf\xbd" not in block.data and b"\xc2" not in block.data:
        return np.empty(0, dtype=np.int64)
    accents = positions_where(block.array, lambda piece: piece >= 0x80)
    rows = np.unique(np.searchsorted(block.starts, accents, side="right") - 1)
    for row in rows.tolist():
        start = int(block.starts[row])
        try:
            line = block.line(row).decode("utf-8")
        except UnicodeDecodeError as error:
            found.append(start + error.start)
            continue
        for place, character in enumerate(line):
            if "\x80" <= character <= "\x9f" or character == "\ufffd":
                found.append(start + len(line[:place].encode("utf-8")))
                break
    return np.array(found, dtype=np.int64)
