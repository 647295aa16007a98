"""Writing planned files, and the damage that files suffer before they arrive.

What belongs here: bytes. Rows are written through the layout's own writer, chunk by chunk; lines cut short and zeros
eaten by a spreadsheet are made afterwards, since no writer would write them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from datetime import time as hour
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from atom_pipeline.layout.model import FieldType, Version
from atom_pipeline.layout.writing import LayoutWriter, WrittenFile
from atom_pipeline.sample.days import Planned

CUT_BYTES = 37  # taken off the end of a line that is cut short
BLOCK_BYTES = 16 * 1024 * 1024
LEADING_ZEROS = re.compile(rb"^0+(?=[0-9])", re.MULTILINE)


def write(planned: Planned, target: Path, day: date, zone: ZoneInfo) -> WrittenFile:
    """Write a planned file and its copies into a folder; what was written, after the damage. ``zone`` is the bank's."""
    path = target / planned.name
    with LayoutWriter(path, planned.layout, day, header=_header(planned)) as writer:
        for chunk in planned.make(planned.version):
            writer.write(chunk)
        written = writer.close()
    if planned.short_rows:
        cut_lines(path, planned.version, planned.short_rows)
    if planned.eaten_zeros:
        eat_zeros(path)
    if planned.short_rows or planned.eaten_zeros:
        written = WrittenFile(written.rows, sha256(path), path.stat().st_size)
    stamp = planned.stamp.replace(tzinfo=zone)
    set_time(path, stamp)
    for number, name in enumerate(planned.copies, start=1):
        shutil.copyfile(path, target / name)
        set_time(target / name, stamp + timedelta(minutes=number))
    return written


def set_time(path: Path, stamp: datetime) -> None:
    """Give a file the time at which the bank finished it, or the present one when that is still to come.

    A file of this very moment could still change without being seen to, so a drop's sensor reads it once more later.
    """
    moment = min(stamp.timestamp(), time.time())
    os.utime(path, (moment, moment))


def _header(planned: Planned) -> dict[str, object] | None:
    """When the file was made, in whichever date and hour fields its header has."""
    if planned.version.header is None:
        return None
    moments: dict[FieldType, object] = {
        FieldType.DATE: planned.stamp.date(),
        FieldType.TIME: hour(planned.stamp.hour, planned.stamp.minute, planned.stamp.second),
        FieldType.DATETIME: planned.stamp,
    }
    fields = planned.version.header.fields
    return {field.name: moments[field.type] for field in fields if field.type in moments and field.equals is None}


def cut_lines(path: Path, version: Version, rows: tuple[int, ...]) -> None:
    """Take the last bytes off some detail lines of a fixed-width file; only what lies after the first is written again.

    Header and detail lines have a length each; the positions of rows count from 0.
    """
    newline = {"crlf": 2, "any": 2, "lf": 1, "none": 0}[version.format.newline]
    before = (version.header.length or 0) + newline if version.header else 0
    length = version.details[0].length or 0
    starts = [before + row * (length + newline) for row in sorted(rows)]
    with path.open("r+b") as file:
        file.seek(starts[0])
        tail = bytearray(file.read())
        for start in reversed(starts):
            end = start - starts[0] + length
            del tail[end - CUT_BYTES : end]
        file.seek(starts[0])
        file.write(tail)
        file.truncate()


def eat_zeros(path: Path) -> None:
    """Strip the zeros on the left of every line's first column, as a spreadsheet does that takes it for a number."""
    partial = path.with_name(path.name + ".partial")
    with path.open("rb") as source, partial.open("wb") as out:
        for block in _line_blocks(source):
            out.write(LEADING_ZEROS.sub(b"", block))
    partial.replace(path)


def _line_blocks(source: BinaryIO) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time."""
    rest = b""
    while block := source.read(BLOCK_BYTES):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield whole + newline
    if rest:
        yield rest


def sha256(path: Path) -> str:
    """The file's hash."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
