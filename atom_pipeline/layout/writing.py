"""Typed records to a file in a layout's format: the reverse of ``reading``, in bounded memory.

``LayoutWriter`` takes frames one after another; ``write_file`` is one call. Constants, totals, sequence numbers and
lots write themselves (``composing``). Forms of single values are in ``render``, CSV records in ``records``.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.errors import RecordError
from atom_pipeline.layout.blocks import positions_of
from atom_pipeline.layout.characters import count_between
from atom_pipeline.layout.composing import Composer
from atom_pipeline.layout.model import DelimitedFormat, Layout, Record, RecordRole
from atom_pipeline.layout.records import records_from_csv, records_to_csv
from atom_pipeline.layout.schema import LINE, RECORD

__all__ = ["LayoutWriter", "Records", "WrittenFile", "records_from_csv", "records_to_csv", "write_file"]

Records = pl.DataFrame | Mapping[str, pl.DataFrame]
SLICE_BYTES = 32 * 1024 * 1024  # text made in one go, about
_COPIED = 1024 * 1024
_BESIDE = 1024 * 1024  # bytes: from here on they are written by another thread
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]")
_PLACE = "lugar:"  # a row's place in a slice


@dataclass(frozen=True)
class WrittenFile:
    """What was written: detail lines, hash of the bytes, number of bytes."""

    rows: int
    sha256: str
    bytes: int


class _Sink:
    """Where bytes go: hashed and counted on the way; much of them while the caller makes the next ones."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._thread: ThreadPoolExecutor | None = None
        self._going: Future[None] | None = None
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Raises what the stream raises, for large ``data`` with the next call."""
        self.settle()
        self.bytes += len(data)
        if len(data) < _BESIDE:
            self._put(data)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "written")
        self._going = self._thread.submit(self._put, data)

    def settle(self) -> None:
        """Wait until all is written."""
        going, self._going = self._going, None
        if going is not None:
            going.result()

    def end(self) -> str:
        """Wait until all is written; its hash."""
        try:
            self.settle()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
        return self._hash.hexdigest()

    def _put(self, data: bytes) -> None:
        self._stream.write(data)
        self._hash.update(data)


class LayoutWriter:
    """Writes a file of ``layout`` as it is on ``day``. Use as a context manager and call ``write`` as often as needed.

    ``header`` and ``trailer`` give values of those records' fields; totals in them are computed, and a required date
    left out is ``day``. ``lots`` has frames for lot headers and lot trailers by record type, a row for each lot or one
    for all; a new lot begins where the rows' lot number, or what a lot's header gives them, changes. A path gets its
    file only when all went well (a temporary beside it is renamed); what an error leaves in a stream is the caller's.
    Memory does not grow with the file; where the header holds totals the body waits
    in a temporary file.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        layout: Layout,
        day: date,
        *,
        header: Mapping[str, Any] | None = None,
        trailer: Mapping[str, Any] | None = None,
        lots: Mapping[str, pl.DataFrame] | None = None,
    ) -> None:
        self.layout = layout
        self.version = layout.version_on(day)
        self.written: WrittenFile | None = None
        self._shape = self.version.format
        self._newline = self._line_break()
        given = {RecordRole.HEADER: header or {}, RecordRole.TRAILER: trailer or {}}
        self._composer = Composer(self.version, day, given, lots or {})
        self._header: dict[str, Any] | None = None  # what it holds, once it was begun
        self._rows = 0
        self._path = target if isinstance(target, Path) else None
        self._stream: BinaryIO
        if isinstance(target, Path):
            self._temporary: Path | None = target.with_name(f".{target.name}.parcial")
            self._stream = self._temporary.open("wb")
        else:
            self._temporary, self._stream = None, target
        self._sink = _Sink(self._stream)
        self._body: BinaryIO | None = None
        record = self.version.header
        if record is None or not record.gives:
            self._begin({})

    def _begin(self, first_row: Mapping[str, Any]) -> None:
        """Write titles and header, unless the header is to say what comes after it: then the body waits."""
        if self._header is not None:
            return
        if isinstance(self._shape, DelimitedFormat) and self._shape.header:
            self._emit(self._titles(self._shape))
        self._header = self._composer.begin(first_row)
        record = self.version.header
        if record is not None and record.totals:
            self._body = tempfile.TemporaryFile()  # noqa: SIM115
        elif record is not None:
            self._emit(self._encoded(self._composer.header(self._header)))

    def _line_break(self) -> bytes:
        if self._shape.newline == "none":
            return b""
        return b"\n" if self._shape.newline == "lf" else b"\r\n"

    def __enter__(self) -> LayoutWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abandon()
        elif self.written is None:
            try:
                self.close()
            except BaseException:
                self._abandon()
                raise

    def write(self, records: Records) -> None:
        """Append records.

        A frame holds one detail record type, or several told apart by a column ``registro`` (or ``record``), in the
        order of its rows. A mapping has a frame for each type: where all have a column ``linha`` the rows stand in that
        order, else type after type. Columns ``linha`` and ``registro`` are not written; other columns that the layout
        does not know, and values that do not fit, raise RecordError with row (from 1, of all written so far) and field.
        """
        details = [record.name for record in self.version.details]
        if isinstance(records, pl.DataFrame):
            told_by = next((name for name in (RECORD, "record") if name in records.columns), None)
            if len(details) == 1:
                self._write_frame(records, details, "")
            elif told_by:
                self._write_frame(records, details, told_by)
            else:
                raise RecordError(f"{self.layout.layout}: a column {RECORD} must say which record each row is")
            return
        for name in records:
            self._known(name, details)
        if len(records) > 1 and all(LINE in frame.columns for frame in records.values()):
            frames = [frame.with_columns(pl.lit(name).alias(RECORD)) for name, frame in records.items()]
            self.write(pl.concat(frames, how="diagonal").sort(LINE))
            return
        for name, frame in records.items():
            self._write_frame(frame, [name], "")

    def write_raw(self, lines: Iterable[bytes], record: str | None = None) -> None:
        """Append lines as they are, e.g. faulty ones in a sample; counted as ``record``."""
        self._begin({})
        for line in lines:
            self._emit(line + self._newline)
            self._composer.count_raw(record or self.version.details[0].name)
            self._rows += 1

    def close(self) -> WrittenFile:
        """Write the trailer, put the file under its name, say what was written."""
        self._begin({})
        end = [self._encoded(line) for line in self._composer.trailer()]
        if self._body:
            body, self._body = self._body, None
            self._emit(self._encoded(self._composer.header(self._header or {})))
            body.seek(0)
            while chunk := body.read(_COPIED):
                self._emit(chunk)
            body.close()
        for line in end:
            self._emit(line)
        sha256 = self._sink.end()
        if self._path and self._temporary:
            self._stream.close()
            self._temporary.replace(self._path)
        self.written = WrittenFile(self._rows, sha256, self._sink.bytes)
        return self.written

    def _abandon(self) -> None:
        with suppress(Exception):  # what brought us here is being raised
            self._sink.end()
        if self._body:
            self._body.close()
        if self._temporary:
            self._stream.close()
            self._temporary.unlink(missing_ok=True)

    def _emit(self, data: bytes) -> None:
        if self._body:
            self._body.write(data)
        else:
            self._sink.write(data)

    def _titles(self, shape: DelimitedFormat) -> bytes:
        quote = shape.quote
        cells = [field.title or field.name for field in self.version.titled.fields]
        cells = [
            f"{quote}{cell.replace(quote, quote * 2)}{quote}" if shape.delimiter in cell or quote in cell else cell
            for cell in cells
        ]
        return shape.delimiter.join(cells).encode(shape.encoding) + self._newline

    def _write_frame(self, records: pl.DataFrame, names: Iterable[str], told_by: str) -> None:
        """Write the rows of a frame in their order; with several record types ``told_by`` is the column that tells."""
        names = list(names)
        if told_by:
            for name in records[told_by].unique().to_list():
                self._known(name, names)
        widest = max(self._width(self._composer.rows[name].record) for name in names)
        for part in records.iter_slices(max(1, SLICE_BYTES // widest)):
            if not self._composer.plain:
                self._write_composed(part, names, told_by)
                continue
            if not told_by and self._composer.renderers[names[0]].by_rows:
                self._emit_rows(names[0], part)
                self._rows += part.height
                continue
            lines = [self._lines(name, part, told_by) for name in names if not told_by or (part[told_by] == name).any()]
            whole = lines[0] if len(lines) == 1 else pl.concat(lines).sort(_PLACE)
            self._emit_lines(whole["text"], part)
            self._rows += part.height

    def _write_composed(self, part: pl.DataFrame, names: Sequence[str], told_by: str) -> None:
        """Write rows whose lines depend on each other, lot by lot."""
        self._begin(part.row(0, named=True))
        for rows, before in self._composer.runs(part):
            for line in before:
                self._emit(self._encoded(line))
            self._emit_lines(self._composer.lines(names, rows, told_by, self._rows + 1), rows)
            self._rows += rows.height

    def _lines(self, name: str, part: pl.DataFrame, told_by: str) -> pl.DataFrame:
        """Columns of place in the slice and text of the rows of one record type."""
        renderer = self._composer.renderers[name]
        rows = part.with_row_index(_PLACE)
        if told_by:
            mine = set(renderer.schema)
            others = {field.name for record in self.version.details for field in record.fields} - mine
            rows = rows.filter(pl.col(told_by) == name).drop(others, strict=False)
        places = rows[_PLACE]
        first = self._rows + 1
        typed = renderer.typed(rows.drop(_PLACE), lambda row: first + int(places[row]))
        self._composer.count(name, typed)
        return pl.DataFrame({_PLACE: places, "text": renderer.lines(typed, lambda row: first + int(places[row]))})

    def _emit_rows(self, name: str, part: pl.DataFrame) -> None:
        """Write the rows of one delimited record type."""
        renderer, first = self._composer.renderers[name], self._rows + 1
        typed = renderer.typed(part, lambda row: first + row)
        self._composer.count(name, typed)
        text = renderer.rows(typed, self._newline.decode(), lambda row: first + row)
        self._emit_text(text, part, part.height)

    def _emit_lines(self, lines: pl.Series, part: pl.DataFrame) -> None:
        """Write the lines of a slice of records."""
        text: bytes = lines.str.join(self._newline.decode()).cast(pl.Binary).item()
        self._emit_text(text + self._newline, part, len(lines))

    def _emit_text(self, data: bytes, part: pl.DataFrame, lines: int) -> None:
        """Encode lines and write them. Raises RecordError for what may not stand in a file."""
        try:
            if self._shape.encoding != "utf-8" and not data.isascii():
                data = data.decode().encode(self._shape.encoding)
        except UnicodeEncodeError as error:
            message = f"has a character that {self._shape.encoding} does not know"
            raise self._culprit(part, lambda value: _not_encodable(value, self._shape.encoding), message) from error
        array = np.frombuffer(data, dtype=np.uint8)
        controls = count_between(array, 0, 32)
        if isinstance(self._shape, DelimitedFormat) and self._shape.delimiter == "\t":
            controls -= data.count(b"\t")
        breaks = len(self._newline) * lines
        if controls != breaks or b"\x7f" in data or _has_c1(data, array, self._shape.encoding):
            message = "holds a line break or another control character"
            raise self._culprit(part, lambda value: bool(_CONTROL.search(value)), message)
        self._emit(data)

    def _culprit(self, part: pl.DataFrame, is_bad: Callable[[str], bool], message: str) -> RecordError:
        """The error for the first value of a slice that is bad, with its row and field."""
        for place, row in enumerate(part.iter_rows(named=True)):
            for name, value in row.items():
                if isinstance(value, str) and is_bad(value):
                    return RecordError(f"{self.layout.layout}: row {self._rows + 1 + place}, field {name}: {message}")
        return RecordError(f"{self.layout.layout}: a constant or default of the layout {message}")

    def _width(self, record: Record) -> int:
        """Bytes of a line, about."""
        return record.length or 12 * len(record.fields)

    def _encoded(self, line: str) -> bytes:
        return line.encode(self._shape.encoding) + self._newline

    def _known(self, name: str, details: list[str]) -> None:
        if name not in details:
            raise RecordError(f"{self.layout.layout} has no detail record {name}; it has {', '.join(details)}")


def _not_encodable(line: str, encoding: str) -> bool:
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        return True
    return False


def _has_c1(data: bytes, array: npt.NDArray[np.uint8], encoding: str) -> bool:
    """Whether C1 control characters or U+FFFD stand in the bytes; cp1252 has letters there."""
    if data.isascii() or encoding == "cp1252":
        return False
    if encoding == "latin-1":
        return count_between(array, 0x80, 32) > 0
    return bool((array[positions_of(array, 0xC2) + 1] < 0xA0).any()) or b"\xef\xbf\xbd" in data


def write_file(
    layout: Layout,
    records: Records,
    target: Path | BinaryIO,
    *,
    day: date,
    header: Mapping[str, Any] | None = None,
    trailer: Mapping[str, Any] | None = None,
    lots: Mapping[str, pl.DataFrame] | None = None,
) -> WrittenFile:
    """Write all records in one call; see ``LayoutWriter``. A header or trailer among ``records`` gives its values."""
    version = layout.version_on(day)
    given = {RecordRole.HEADER: header, RecordRole.TRAILER: trailer}
    details = {}
    of_lots: dict[str, pl.DataFrame] = dict(lots or {})
    if isinstance(records, Mapping):
        for name, frame in records.items():
            role = next((record.role for record in version.records if record.name == name), RecordRole.DETAIL)
            if role is RecordRole.DETAIL:
                details[name] = frame
            elif role not in given:
                of_lots.setdefault(name, frame)
            elif given[role] is None and frame.height:
                given[role] = frame.drop(LINE, RECORD, strict=False).row(0, named=True)
    first, last = given[RecordRole.HEADER], given[RecordRole.TRAILER]
    with LayoutWriter(target, layout, day, header=first, trailer=last, lots=of_lots) as writer:
        writer.write(details if isinstance(records, Mapping) else records)
        return writer.close()
