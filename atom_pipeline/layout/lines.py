"""The original lines of an archived file, byte for byte, for a person who asks where a row came from.

Only fetching lines by number belongs here; what they mean is in ``reading``. A file is read as a stream, so that
memory does not grow with it. Lines hold personal data: they go to error files and never into a log.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import BinaryIO

from atom_pipeline.layout.model import FixedFormat, Layout

LONGEST_LINE = 1024 * 1024  # bytes; of a longer line, which no layout has, the beginning is given


def original_lines(path: Path, layout: Layout, day: date, numbers: Iterable[int]) -> dict[int, bytes]:
    """The physical lines of those numbers (from 1), without their line break, in the order of the file.

    ``day`` says which version of the layout the file follows. A number beyond the end of the file is left out. In a
    file without line breaks a line is a record. Raises OSError when the file cannot be read, LookupError when no
    version is in force on ``day``.
    """
    wanted = sorted({number for number in numbers if number > 0})
    version = layout.version_on(day)
    with path.open("rb") as source:
        if isinstance(version.format, FixedFormat) and version.format.newline == "none":
            return _records(source, version.records[0].length or 0, wanted)
        return _lines(source, wanted)


def _records(source: BinaryIO, length: int, wanted: list[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for number in wanted:
        source.seek((number - 1) * length)
        record = source.read(length)
        if record:
            found[number] = record
    return found


def _lines(source: BinaryIO, wanted: list[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    number = 0
    for target in wanted:
        while number < target:
            line = source.readline(LONGEST_LINE)
            if not line:
                return found
            number += 1
            rest = line
            while not rest.endswith(b"\n") and len(rest) == LONGEST_LINE:
                rest = source.readline(LONGEST_LINE)
        found[target] = line.removesuffix(b"\n").removesuffix(b"\r")
    return found
