"""A file's bytes in blocks of whole lines: bounded memory whatever the size, and every line's number and place.

Only bytes and lines belong here. What a line means is in ``fixed`` and ``delimited``; which bytes are allowed in it is
in ``characters``. Raised here: LINHA_LONGA, and CODIFICACAO for a byte order mark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.pool import Pool

BLOCK_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
MAX_FAULTY_LINES = 250_000  # of a block: each is kept with its words, and more of them is no file of the layout
ROOM = 64  # bytes after a block's last that the compiled loops may read
SCANNED = 1 << 18  # bytes looked at in one go: temporaries stay in the processor's cache
_PIECE = 64 * 1024  # looked at in one go from a block's end
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]")
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Look:
    """What is seen in one look over bytes: where line feeds stand, how many other control characters of ASCII or
    latin-1 there are (a carriage return before a line feed is none), and whether all is ASCII."""

    newlines: Positions
    controls: int
    ascii: bool


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    ``array`` ends with a line's end (one is added where the file's last line has none). ``first_line`` is the physical
    number of its first line, from 1; ``offset`` the place of its first byte in the file, from 0. ``record_length`` is
    set for files without line breaks: each line is then that many bytes. ``room``: bytes of memory after ``array``.
    ``looked``: what a look over the bytes told, where one was taken.
    """

    array: Bytes
    offset: int
    first_line: int
    last: bool
    encoding: str
    record_length: int | None = None
    room: int = 0
    looked: Look | None = None

    @cached_property
    def roomy(self) -> Bytes:
        """``array``, with ``ROOM`` bytes after its end that may be read."""
        if self.room >= ROOM:
            return self.array
        whole = np.zeros(len(self.array) + ROOM, dtype=np.uint8)
        whole[: len(self.array)] = self.array
        return whole[: len(self.array)]

    @cached_property
    def data(self) -> bytes:
        """A copy of all bytes; what is done for every block looks at ``array``."""
        return self.array.tobytes()

    @cached_property
    def _newlines(self) -> Positions:
        return self.looked.newlines if self.looked else positions_of(self.array, 10)

    @cached_property
    def starts(self) -> Positions:
        """Where each line begins in ``data``."""
        if self.record_length is not None:
            return np.arange(0, len(self.array), self.record_length, dtype=np.int64)
        starts = np.empty(len(self._newlines), dtype=np.int64)
        starts[:1] = 0
        starts[1:] = self._newlines[:-1] + 1
        return starts

    @cached_property
    def ends(self) -> Positions:
        """Where each line ends, its line break (LF or CR LF) not included."""
        ends: Positions
        if self.record_length is not None:
            ends = np.minimum(self.starts + self.record_length, len(self.array))
            return ends
        ends = self._newlines
        before = self.array[np.maximum(ends - 1, 0)] == 13
        ends = ends - (before & (ends > self.starts))
        return ends

    @cached_property
    def lengths(self) -> Positions:
        """Bytes of each line without its break."""
        return self.ends - self.starts

    @cached_property
    def ascii(self) -> bool:
        return self.looked.ascii if self.looked else int(self.array.max(initial=0)) < 0x80

    @property
    def height(self) -> int:
        return len(self.starts)

    def numbers(self, rows: Positions) -> Positions:
        """Physical line numbers, from 1."""
        return rows + self.first_line

    def line(self, row: int) -> bytes:
        return self.array[self.starts[row] : self.ends[row]].tobytes()

    def original(self, row: int) -> str:
        """The line for a person, exact; see ``printable``."""
        return printable(self.line(row).decode(self.encoding, "backslashreplace"))

    @cached_property
    def text(self) -> pl.Series:
        """Every line as text. The block must hold only bytes of its encoding (see ``characters.clean``)."""
        data = self.data
        if self.record_length is not None:
            whole = len(data) // self.record_length * self.record_length
            rows = self.array[:whole].reshape(-1, self.record_length)
            breaks = np.full((len(rows), 1), 10, dtype=np.uint8)
            tail = data[whole:] + b"\n" if whole < len(data) else b""
            data = np.hstack([rows, breaks]).tobytes() + tail
        if not self.ascii and self.encoding != "utf-8":
            data = data.decode(self.encoding).encode("utf-8")
        text = pl.read_lines(io.BytesIO(data)).to_series()
        if len(text) != self.height:
            raise AssertionError(f"{len(text)} lines of text for {self.height} lines of bytes")
        return text


def refuse_many(faulty: int, block: Block, name: str) -> None:
    """Raise FileRefused FORA_DO_LAYOUT when more lines of a block are faulty than memory is for (FAULTS 17)."""
    if faulty > MAX_FAULTY_LINES:
        raise FileRefused(
            "FORA_DO_LAYOUT",
            f"{faulty} das {block.height} linhas a partir da {block.first_line} não são do layout",
            "confira se o arquivo é deste layout e desta versão",
            file=name,
            line=block.first_line,
        )


def printable(text: str) -> str:
    """The text with control characters (and U+FFFD) as escapes, so that it can stand in an error file."""
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def positions_of(array: Bytes, byte: int) -> Positions:
    """Where a byte stands in an array of bytes."""
    return positions_where(array, lambda piece: piece == byte)


def positions_where(array: Bytes, wanted: Callable[[Bytes], npt.NDArray[np.bool_]]) -> Positions:
    """Where bytes are as wanted, looked at in pieces that fit the processor's cache."""
    starts = range(0, len(array), SCANNED)
    found = [np.flatnonzero(wanted(array[start : start + SCANNED])) + start for start in starts]
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _content(array: Bytes, without: bytes) -> int:
    """Where the bytes end once those of ``without`` at the end are left out; looked at from the end, piece by piece."""
    stop = len(array)
    while stop:
        start = max(0, stop - _PIECE)
        piece = array[start:stop].tobytes().rstrip(without)
        if piece:
            return start + len(piece)
        stop = start
    return 0


def _first_newline(array: Bytes, start: int) -> int:
    """Where the first LF from a place on stands; -1 for none."""
    for place in range(start, len(array), _PIECE):
        found = array[place : place + _PIECE].tobytes().find(b"\n")
        if found >= 0:
            return place + found
    return -1


def _last_newline(array: Bytes, stop: int) -> int:
    """Where the last LF before a place stands; -1 for none."""
    while stop:
        start = max(0, stop - _PIECE)
        found = array[start:stop].tobytes().rfind(b"\n")
        if found >= 0:
            return start + found
        stop = start
    return -1


class BlockReader:
    """Cuts a stream into blocks at line ends. Blank lines at the end of the file are no lines.

    A block may be handed back in part with ``put_back`` (a quoted value that goes on in the next block).
    """

    def __init__(
        self,
        stream: BinaryIO,
        encoding: str,
        *,
        name: str,
        block_bytes: int = BLOCK_BYTES,
        max_line_bytes: int = MAX_LINE_BYTES,
        record_length: int | None = None,
        look: Callable[[Bytes], Look] | None = None,
        pool: Pool | None = None,
    ) -> None:
        """``look``: a quicker way to look over bytes, which may read ``ROOM`` bytes after them. ``pool``: of memory."""
        self.encoding = encoding
        self.name = name
        self._stream = stream
        self._block_bytes = block_bytes
        self._max_line_bytes = max_line_bytes
        self._record_length = record_length
        self._look = look
        self._pool = pool or Pool(0)
        self._carry = b""
        self._offset = 0
        self._line = 1
        self._started = False
        self._ended = False

    def next_block(self) -> Block | None:
        """The next whole lines, or None at the end. Raises FileRefused LINHA_LONGA, CODIFICACAO, FORA_DO_LAYOUT."""
        while not self._ended:
            array = self._read()
            if not self._started:
                array = self._without_bom(array)
                self._started = True
            if self._ended:
                self._carry = b""
                return self._last(array.tobytes())
            cut = self._cut(array)
            self._carry = array[cut:].tobytes()
            self._refuse_a_long_carry()
            if cut:
                return self._block(array[:cut], last=False)
        return None

    def put_back(self, tail: bytes) -> None:
        """Take back the last lines of the last block; they come first in the next one."""
        if tail:
            self._carry = tail + self._carry
            self._offset -= len(tail)
            self._line -= tail.count(b"\n")

    def _read(self) -> Bytes:
        """What was carried over and the next bytes, without copying these. Notes the stream's end."""
        carried = len(self._carry)
        array = self._pool.take(carried + self._block_bytes + ROOM)[:-ROOM]
        array[:carried] = np.frombuffer(self._carry, dtype=np.uint8)
        if isinstance(self._stream, io.BufferedIOBase):
            read = self._stream.readinto(array[carried:].data)
        else:
            chunk = self._stream.read(self._block_bytes)
            read = len(chunk)
            array[carried : carried + read] = np.frombuffer(chunk, dtype=np.uint8)
        self._ended = not read
        return array[: carried + read]

    def _block(self, array: Bytes, *, last: bool) -> Block:
        room = 0 if last else ROOM
        looked = self._look(array) if self._look and room and not self._record_length else None
        block = Block(array, self._offset, self._line, last, self.encoding, self._record_length, room, looked)
        if block.height:
            longest = int(block.lengths.argmax())
            if block.lengths[longest] > self._max_line_bytes:
                raise self._too_long(self._line + longest)
        self._offset += len(array)
        self._line += block.height
        return block

    def _last(self, data: bytes) -> Block | None:
        """What is left at the end of the file, with a line break of its own."""
        data = data.rstrip(b"\r\n")
        if data == b"\x1a" or data.endswith(b"\n\x1a"):  # the end of a file in old systems
            data = data[:-1].rstrip(b"\r\n")
        if not data:
            return None
        whole = bytearray(data if self._record_length else data + b"\n")
        return self._block(np.frombuffer(whole, dtype=np.uint8), last=True)

    def _cut(self, array: Bytes) -> int:
        """Where the whole lines end. Line breaks without a later line are kept back: they may end the file."""
        if self._record_length:
            return _content(array, b"\r\n") // self._record_length * self._record_length
        content = _content(array, b"\r\n\x1a")
        after = _first_newline(array, content)
        return after + 1 if after >= 0 and content else _last_newline(array, content) + 1

    def _refuse_a_long_carry(self) -> None:
        line = self._carry.lstrip(b"\r\n")
        if len(line) > self._max_line_bytes:
            raise self._too_long(self._line + self._carry[: len(self._carry) - len(line)].count(b"\n"))
        if len(self._carry) > self._max_line_bytes:
            raise FileRefused(
                "FORA_DO_LAYOUT",
                f"mais de {self._max_line_bytes} bytes de linhas em branco a partir da linha {self._line}",
                "confira se o arquivo foi transferido inteiro",
                file=self.name,
                line=self._line,
            )

    def _too_long(self, line: int) -> FileRefused:
        return FileRefused(
            "LINHA_LONGA",
            f"a linha tem mais de {self._max_line_bytes} bytes",
            "o arquivo não é deste layout, ou perdeu as quebras de linha na transferência",
            file=self.name,
            line=line,
        )

    def _without_bom(self, array: Bytes) -> Bytes:
        data = array[: len(_UTF8_BOM)].tobytes()
        if data.startswith(_UTF8_BOM) and self.encoding == "utf-8":
            self._offset = len(_UTF8_BOM)
            return array[len(_UTF8_BOM) :]
        if data.startswith((_UTF8_BOM, *_UTF16_BOMS)):
            raise FileRefused(
                "CODIFICACAO",
                f"o arquivo começa com uma marca de Unicode (BOM); o layout é {self.encoding}",
                f"grave o arquivo em {self.encoding}, sem BOM",
                file=self.name,
                line=1,
            )
        return array
