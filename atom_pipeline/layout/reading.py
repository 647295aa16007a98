"""A file of the bank to typed rows: the good ones, the refused ones with their reason, the flagged ones (R004 to R018).

``read_file`` gives all at once, ``FileReader`` portion by portion in bounded memory. Every row is accepted or refused:
``rows_read == rows_accepted + rows_refused``, always; a row is a detail line with those that join it. What is wrong
with the file as a whole raises ``FileRefused`` (FA001). How a format is cut into columns is in ``fixed``, ``delimited``
and ``excel``; lines become rows in ``joining``; header, trailer, lots and sequence are reconciled in ``totals``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import polars as pl

from atom_pipeline.errors import FileRefused, ProgramError
from atom_pipeline.layout.batches import Decoder, Portion
from atom_pipeline.layout.blocks import BLOCK_BYTES, MAX_LINE_BYTES, BlockReader
from atom_pipeline.layout.characters import CharacterCheck
from atom_pipeline.layout.convert import RecordPlan
from atom_pipeline.layout.delimited import DelimitedDecoder
from atom_pipeline.layout.excel import ExcelDecoder
from atom_pipeline.layout.fixed import QUICK_BLOCK_BYTES, QUICK_FROM, FixedDecoder, quick_look
from atom_pipeline.layout.joining import Giving, RowJoiner
from atom_pipeline.layout.model import DelimitedFormat, FixedFormat, Layout, RecordRole, Version
from atom_pipeline.layout.outcome import (
    FileOutcome,
    Findings,
    ReadPortion,
    file_refused,
    refuse_too_many,
    stack,
    too_many_refused,
)
from atom_pipeline.layout.pool import KEPT_BUFFERS, Pool
from atom_pipeline.layout.rejects import FLAGS_SCHEMA, from_line_fault, sort_rows
from atom_pipeline.layout.schema import record_schema
from atom_pipeline.layout.sniffing import HEAD_BYTES, choose_version, sniff
from atom_pipeline.layout.totals import Tally

__all__ = ["FileReader", "ReadPortion", "Reading", "by_some_version", "read_file", "sniff", "too_many_refused"]

Outcome = TypeVar("Outcome", bound=FileOutcome)


@dataclass(frozen=True)
class Reading(FileOutcome):
    """A file read whole.

    ``frames`` has a frame for each kind of row (``Version.details``): typed columns by field name, ``linha`` (physical
    line from 1, the first of a row of several), ``registro``.
    """

    frames: dict[str, pl.DataFrame]

    def frame(self) -> pl.DataFrame:
        """All detail records in one frame, in the order of the file's record types; absent columns are null."""
        return pl.concat(self.frames.values(), how="diagonal")


class FileReader:
    """Reads one file portion by portion. Use as a context manager; ``portions`` once, ``header`` and so on after it.

    The last portion may be followed by ``FileRefused`` (a trailer that disagrees stands at the end): nothing of the
    file may be used before the iterator is exhausted. Keys that stand twice, and the share of refused rows, are of the
    whole file and are looked at by ``read_file``. ``quick``: by compiled loops (see ``fixed``); by default where the
    file is large enough. ``version``: by default the one that the first line fits, of those in force on the day.
    """

    def __init__(
        self,
        layout: Layout,
        source: Path | BinaryIO,
        *,
        name: str,
        day: date,
        excel: bool = False,
        block_bytes: int = BLOCK_BYTES,
        max_line_bytes: int = MAX_LINE_BYTES,
        quick: bool | None = None,
        version: Version | None = None,
    ) -> None:
        self.layout = layout
        self.name = name
        self._closing = ExitStack()
        self.stream = self._seekable(source)
        head = self.stream.read(HEAD_BYTES)
        self.stream.seek(0)
        self.version = version or (layout.version_on(day) if excel else choose_version(layout, day, head))
        self.plans = [RecordPlan(record) for record in self.version.records]
        self.tally = Tally(self.version, name)
        self.rows_read = 0
        self._excel = excel
        self._quick = self.stream.seek(0, SEEK_END) >= QUICK_FROM if quick is None else quick
        self._block_bytes = block_bytes
        self._max_line_bytes = max_line_bytes

    def __enter__(self) -> FileReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _seekable(self, source: Path | BinaryIO) -> BinaryIO:
        """The source as a stream that can go back: one that cannot is copied to a temporary file."""
        if isinstance(source, Path):
            return self._closing.enter_context(source.open("rb"))
        if source.seekable():
            return source
        copy = self._closing.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        shutil.copyfileobj(source, copy, BLOCK_BYTES)
        copy.seek(0)
        return copy

    def decoder(self) -> Decoder:
        """A decoder at the beginning of the file."""
        self.stream.seek(0)
        shape = self.version.format
        if self._excel:
            return ExcelDecoder(self.plans, shape, self.stream, self.name)
        reader = BlockReader(
            self.stream,
            shape.encoding,
            name=self.name,
            block_bytes=min(self._block_bytes, QUICK_BLOCK_BYTES) if self._quick else self._block_bytes,
            max_line_bytes=self._max_line_bytes,
            record_length=self.version.records[0].length
            if isinstance(shape, FixedFormat) and shape.newline == "none"
            else None,
            look=quick_look() if self._quick else None,
            pool=Pool(KEPT_BUFFERS) if self._quick else None,
        )
        if isinstance(shape, DelimitedFormat):
            characters = CharacterCheck(shape.encoding, self.name, allowed=shape.delimiter)
            return DelimitedDecoder(self.plans, shape, reader, characters, self.name)
        return FixedDecoder(self.plans, reader, CharacterCheck(shape.encoding, self.name), quick=self._quick)

    def portions(self) -> Iterator[ReadPortion]:
        """Yield the file's rows, then check header, trailer and totals. Raises FileRefused."""
        if self._has_a_first_line() and not self._has_bytes():
            raise file_refused(self, "VAZIO", "nenhum byte: falta até o cabeçalho, como num envio que parou no começo")
        giving = Giving(self.version)
        for portion in self._rows(giving):
            self.rows_read += portion.rows_read
            yield giving.give(portion)
        self.tally.verify()
        if not self.rows_read and self.layout.empty == "refuse":
            raise file_refused(self, "VAZIO", f"{self.tally.lines} linhas, nenhuma de detalhe")

    def _rows(self, giving: Giving) -> Iterator[ReadPortion]:
        """The file's rows, single lines or put together of several."""
        joiner = RowJoiner(self.version) if any(record.joins for record in self.version.records) else None
        for portion in self.decoder().portions():
            self.tally.add(portion)
            giving.add(portion)
            yield joiner.add(portion) if joiner else _single_lines(portion)
        if joiner:
            yield joiner.finish()

    def _has_bytes(self) -> bool:
        return self.stream.seek(0, SEEK_END) > 0

    def _has_a_first_line(self) -> bool:
        """Whether even a file without any row has a line: then one of zero bytes is a cut one, not an empty one."""
        shape = self.version.format
        titles = isinstance(shape, DelimitedFormat) and shape.header
        return titles or any(record.role is not RecordRole.DETAIL for record in self.version.records)

    def originals(self, lines: set[int]) -> dict[int, str]:
        """The original text of records by line number: a second pass over the file, for keys that stand twice."""
        found: dict[int, str] = {}
        for portion in self.decoder().portions():
            for batch in portion.batches:
                for position in np.flatnonzero(np.isin(batch.lines, list(lines))).tolist():
                    found[int(batch.lines[position])] = batch.original(position)
        return found


def _single_lines(portion: Portion) -> ReadPortion:
    """The rows of a portion in which each line is one. Whatever is wrong with other lines has refused the file."""
    rejects = [from_line_fault(fault) for fault in portion.faults]
    frames: dict[str, pl.DataFrame] = {}
    flags: list[pl.DataFrame] = []
    read = len(portion.faults)
    for batch in portion.batches:
        if batch.plan.record.role is not RecordRole.DETAIL:
            continue
        parted = sort_rows(batch)
        frames[batch.plan.name] = parted.accepted
        rejects.extend(parted.rejects)
        flags.append(parted.flags)
        read += len(batch.lines)
    return ReadPortion(frames, rejects, stack(flags, FLAGS_SCHEMA), read)


def read_file(
    layout: Layout,
    source: Path | BinaryIO,
    *,
    name: str,
    day: date,
    excel: bool = False,
    block_bytes: int = BLOCK_BYTES,
    max_line_bytes: int = MAX_LINE_BYTES,
    quick: bool | None = None,
) -> Reading:
    """Read a file of ``layout`` as it is on the working day ``day``. ``name`` is for messages.

    Where several versions are in force on the day the file follows the one that its first line fits; refused whole by
    that one, it is read by each of the others, the newest first, and is refused only when all of them refuse it.
    Raises FileRefused: FORA_DO_LAYOUT, CABECALHO_DIVERGE, TRAILER_DIVERGE, VAZIO, LINHA_LONGA, CODIFICACAO, and
    MUITAS_RECUSAS, which carries the reading in its attribute ``reading``, so that the refused rows can be shown.
    """

    def read(version: Version | None) -> Reading:
        with FileReader(
            layout,
            source,
            name=name,
            day=day,
            excel=excel,
            block_bytes=block_bytes,
            max_line_bytes=max_line_bytes,
            quick=quick,
            version=version,
        ) as reader:
            return _read_whole(reader)

    return by_some_version(layout, day, source, read)


def by_some_version(
    layout: Layout, day: date, source: Path | BinaryIO, read: Callable[[Version | None], Outcome]
) -> Outcome:
    """What ``read`` gives by the version that the file seems to follow, or by another one in force on the day.

    Raises the FileRefused of the first try when every version refuses the file, with the others' codes.
    """
    others = layout.versions_on(day)
    if len(others) == 1:
        return read(None)
    with ExitStack() as closing:
        stream = closing.enter_context(source.open("rb")) if isinstance(source, Path) else source
        if not stream.seekable():
            raise ProgramError(f"{layout.layout}: a stream that cannot go back, and two versions to try")
        head = stream.read(HEAD_BYTES)
        stream.seek(0)
    first = choose_version(layout, day, head)
    try:
        return read(first)
    except FileRefused as refusal:
        told = []
        for version in others:
            if version is first:
                continue
            if not isinstance(source, Path):
                source.seek(0)
            try:
                return read(version)
            except FileRefused as other:
                told.append(f"a versão desde {version.since:%d/%m/%Y} recusa também: {other.code}")
        text = f"{refusal.message}; lido pela versão desde {first.since:%d/%m/%Y}; {'; '.join(told)}"
        refused = FileRefused(refusal.code, text, refusal.remedy, file=refusal.file, line=refusal.line)
        if hasattr(refusal, "reading"):
            refused.reading = refusal.reading  # type: ignore[attr-defined]
        raise refused from None


def _read_whole(reader: FileReader) -> Reading:
    parts: dict[str, list[pl.DataFrame]] = {record.name: [] for record in reader.version.details}
    found = Findings(reader)
    for portion in reader.portions():
        for record, frame in portion.frames.items():
            parts[record].append(frame)
        found.add(portion)
    frames = {record.name: stack(parts[record.name], record_schema(record)) for record in reader.version.details}
    gone = found.repeated_keys(frames)
    if gone.height:
        frames = {
            record: frame.join(gone, on="linha", how="anti", maintain_order="left") for record, frame in frames.items()
        }
    outcome = found.outcome(sum(frame.height for frame in frames.values()))
    reading = Reading(**vars(outcome), frames=frames)
    refuse_too_many(reading)
    return reading
