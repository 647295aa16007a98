"""The original lines of an archived file, byte for byte, for a person who asks where a row came from.

Only fetching lines by number belongs here; what they mean is in ``reading``. A file is read as a stream, so that
memory does not grow with it. Lines hold personal data: they go to error files and never into a log.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from atom_pipeline.layout.model import DelimitedFormat, FixedFormat, Layout
from atom_pipeline.layout.sniffing import HEAD_BYTES, choose_version

WORKBOOK = b"PK\x03\x04"  # how an .xlsx file begins, whatever its name in the archive
LONGEST_LINE = 1024 * 1024  # bytes; of a longer line, which no layout has, the beginning is given
_BLOCK_BYTES = 1024 * 1024
_BREAK = ord("\n")


@dataclass(frozen=True)
class EvenLines:
    """What reading told of a file whose lines have the length of the layout's records, but for some.

    ``apart`` has the numbers of those that may have another, of ``count`` lines in all.
    """

    apart: frozenset[int]
    count: int


def original_lines(
    path: Path, layout: Layout, day: date, numbers: Iterable[int], *, even: EvenLines | None = None
) -> dict[int, bytes]:
    """The physical lines of those numbers (from 1), without their line break, in the order of the file.

    Day and first line say which version of the layout the file follows. A number beyond the end of the file is left
    out. In a file without line breaks a line is a record; of a workbook it is a row of the first sheet, in the layout's
    delimited form and UTF-8, since a cell has no bytes of its own. ``even``: lines are sought where they must be then,
    and counted only where the file is not as it says. Raises OSError when the file cannot be read, LookupError when no
    version is in force on ``day``.
    """
    wanted = sorted({number for number in numbers if number > 0})
    with path.open("rb") as source:
        version = choose_version(layout, day, source.read(HEAD_BYTES))
        source.seek(0)
        if isinstance(version.format, FixedFormat) and version.format.newline == "none":
            return _records(source, version.records[0].length or 0, wanted)
        if any(name.excel for name in layout.names) and source.read(len(WORKBOOK)) == WORKBOOK:
            delimiter = version.format.delimiter if isinstance(version.format, DelimitedFormat) else ";"
            return _rows(path, delimiter, wanted)
        source.seek(0)
        sought = _evenly(source, version.records[0].length, even, wanted) if even else None
        if sought is None:
            source.seek(0)
            sought = _lines(source, wanted)
        return sought


def _records(source: BinaryIO, length: int, wanted: list[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for number in wanted:
        source.seek((number - 1) * length)
        record = source.read(length)
        if record:
            found[number] = record
    return found


def _evenly(source: BinaryIO, length: int | None, even: EvenLines, wanted: list[int]) -> dict[int, bytes] | None:
    """The lines of a file whose lines have this length, but for some; None when the file is not so."""
    if length is None:
        return None
    first = source.read(length + 2)
    ending = b"\r\n" if first[length:] == b"\r\n" else first[length : length + 1]
    if not ending.endswith(b"\n"):
        return None
    step = length + len(ending)
    found: dict[int, bytes] = {}
    at, number = 0, 1  # where lines of one length begin, and the first one's number
    for one in sorted({*wanted, *even.apart}):
        place = at + (one - number) * step
        source.seek(max(place - 1, 0))
        before = source.read(1) if place else b"\n"
        if before != b"\n":
            return None
        if one in even.apart:
            line = source.readline(LONGEST_LINE)
            at, number = place + len(line), one + 1
            found[one] = line.removesuffix(b"\n").removesuffix(b"\r")
            continue
        line, after = source.read(length), source.read(len(ending))
        if len(line) < length or b"\n" in line or after not in (ending, b""):
            return None
        found[one] = line
    left = source.seek(0, SEEK_END) - at
    if (even.count - number + 1) * step - left not in {0, len(ending)}:  # the last line may not be ended
        return None
    return {number: found[number] for number in wanted}


def _rows(path: Path, delimiter: str, wanted: list[int]) -> dict[int, bytes]:
    import fastexcel  # loads a native library, which most calls never need

    sheet: pl.DataFrame = fastexcel.read_excel(path).load_sheet(0, header_row=None, dtypes="string").to_polars()
    found: dict[int, bytes] = {}
    for number in wanted:
        if number <= sheet.height:
            out = io.StringIO()
            csv.writer(out, delimiter=delimiter, lineterminator="").writerow(sheet.row(number - 1))
            found[number] = out.getvalue().encode()
    return found


def _lines(source: BinaryIO, wanted: list[int]) -> dict[int, bytes]:
    """Lines by their numbers, which are in order, found by counting line breaks block by block."""
    found: dict[int, bytes] = {}
    left = deque(wanted)
    buffer = bytearray(_BLOCK_BYTES)
    number, part = 1, bytearray()  # the line that goes on in the next block, and what was read of it if it is wanted
    while left and (length := source.readinto(buffer)):  # type: ignore[attr-defined]
        breaks = np.flatnonzero(np.frombuffer(buffer, np.uint8, length) == _BREAK)
        last = number + len(breaks)
        while left and left[0] <= last:
            start = int(breaks[left[0] - number - 1]) + 1 if left[0] > number else 0
            stop = int(breaks[left[0] - number]) if left[0] < last else length
            part += buffer[start : min(stop, start + LONGEST_LINE - len(part))]
            if left[0] == last:
                break
            found[left.popleft()] = bytes(part).removesuffix(b"\r")
            part.clear()
        number = last
    if part:  # the last line, without a break
        found[left.popleft()] = bytes(part).removesuffix(b"\r")
    return found
