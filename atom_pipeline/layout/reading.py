"""A file of the bank to typed rows: the good ones, the refused ones with their reason, the flagged ones (R004 to R018).

``read_file`` gives all at once, ``FileReader`` portion by portion in bounded memory. Every detail line is accepted or
refused: ``rows_read == rows_accepted + rows_refused``, always. What is wrong with the file as a whole raises
``FileRefused`` (FA001). How a format is cut into columns is in ``fixed``, ``delimited`` and ``excel``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from atom_pipeline.errors import FileRefused, ProgramError
from atom_pipeline.layout.batches import Decoder
from atom_pipeline.layout.blocks import BLOCK_BYTES, MAX_LINE_BYTES, BlockReader
from atom_pipeline.layout.characters import CharacterCheck
from atom_pipeline.layout.convert import RecordPlan
from atom_pipeline.layout.delimited import DelimitedDecoder
from atom_pipeline.layout.excel import ExcelDecoder
from atom_pipeline.layout.fixed import QUICK_BLOCK_BYTES, QUICK_FROM, FixedDecoder
from atom_pipeline.layout.model import DelimitedFormat, FixedFormat, Layout, RecordRole, Version
from atom_pipeline.layout.rejects import FLAGS_SCHEMA, Reject, from_line_fault, rejects_frame, sort_rows
from atom_pipeline.layout.schema import record_schema
from atom_pipeline.layout.sniffing import HEAD_BYTES, choose_version, sniff
from atom_pipeline.layout.totals import Tally

__all__ = ["FileReader", "ReadPortion", "Reading", "read_file", "sniff"]

# Below this many rows a share says nothing: one bad row of ten is no reason to refuse a file.
SMALLEST_SHARED = 20
MAX_REFUSED_BYTES = 512 * 1024 * 1024  # of refused lines kept in memory; a file with more of them is not of the layout


@dataclass(frozen=True)
class ReadPortion:
    """A part of a file: accepted rows by record type, refused lines, flags of accepted rows."""

    frames: dict[str, pl.DataFrame]
    rejects: list[Reject]
    flags: pl.DataFrame
    rows_read: int


@dataclass(frozen=True)
class Reading:
    """A file read whole.

    ``frames`` has a frame for each detail record type: typed columns by field name, ``linha`` (physical line from 1),
    ``registro``. ``rejects`` has one row per refused line: the first fault in ``campo`` and ``motivo``, the others in
    ``outros``. ``flags`` are faults of rows that were kept. Counts are of detail lines.
    """

    layout: Layout
    version: Version
    name: str
    frames: dict[str, pl.DataFrame]
    header: dict[str, Any] | None
    trailer: dict[str, Any] | None
    rejects: pl.DataFrame
    flags: pl.DataFrame
    rows_read: int
    rows_accepted: int
    rows_refused: int
    refused_by_reason: dict[str, int] = field(default_factory=dict)

    def frame(self) -> pl.DataFrame:
        """All detail records in one frame, in the order of the file's record types; absent columns are null."""
        return pl.concat(self.frames.values(), how="diagonal")


class FileReader:
    """Reads one file portion by portion. Use as a context manager; ``portions`` once, ``header`` and so on after it.

    The last portion may be followed by ``FileRefused`` (a trailer that disagrees stands at the end): nothing of the
    file may be used before the iterator is exhausted. Keys that stand twice, and the share of refused rows, are of the
    whole file and are looked at by ``read_file``. ``quick``: by compiled loops (see ``fixed``); by default where the
    file is large enough.
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
    ) -> None:
        self.layout = layout
        self.name = name
        self._closing = ExitStack()
        self.stream = self._seekable(source)
        head = self.stream.read(HEAD_BYTES)
        self.stream.seek(0)
        self.version = layout.version_on(day) if excel else choose_version(layout, day, head)
        self.plans = [RecordPlan(record) for record in self.version.records]
        self.tally = Tally(self.version, name)
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
        )
        if isinstance(shape, DelimitedFormat):
            characters = CharacterCheck(shape.encoding, self.name, allowed=shape.delimiter)
            return DelimitedDecoder(self.plans, shape, reader, characters, self.name)
        return FixedDecoder(self.plans, reader, CharacterCheck(shape.encoding, self.name), quick=self._quick)

    def portions(self) -> Iterator[ReadPortion]:
        """Yield the file's rows, then check header, trailer and totals. Raises FileRefused."""
        for portion in self.decoder().portions():
            before = self.tally.rows_read
            self.tally.add(portion)
            rejects = [
                from_line_fault(fault) for fault in portion.faults if self._role(fault.record) is RecordRole.DETAIL
            ]
            frames: dict[str, pl.DataFrame] = {}
            flags: list[pl.DataFrame] = []
            for batch in portion.batches:
                if batch.plan.record.role is not RecordRole.DETAIL:
                    continue
                parted = sort_rows(batch)
                frames[batch.plan.name] = parted.accepted
                rejects.extend(parted.rejects)
                flags.append(parted.flags)
            read = self.tally.rows_read - before
            yield ReadPortion(frames, rejects, _stack(flags, FLAGS_SCHEMA), read)
        self.tally.verify()
        if not self.tally.rows_read and self.layout.empty == "refuse":
            raise _refused(self, "VAZIO", f"{self.tally.lines} linhas, nenhuma de detalhe")

    def _role(self, record: str) -> RecordRole:
        return self.version.record(record).role if record else RecordRole.DETAIL

    def originals(self, lines: set[int]) -> dict[int, str]:
        """The original text of records by line number: a second pass over the file, for keys that stand twice."""
        found: dict[int, str] = {}
        for portion in self.decoder().portions():
            for batch in portion.batches:
                for position in np.flatnonzero(np.isin(batch.lines, list(lines))).tolist():
                    found[int(batch.lines[position])] = batch.original(position)
        return found


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

    Raises FileRefused: FORA_DO_LAYOUT, CABECALHO_DIVERGE, TRAILER_DIVERGE, VAZIO, LINHA_LONGA, CODIFICACAO, and
    MUITAS_RECUSAS, which carries the reading in its attribute ``reading``, so that the refused rows can be shown.
    """
    with FileReader(
        layout,
        source,
        name=name,
        day=day,
        excel=excel,
        block_bytes=block_bytes,
        max_line_bytes=max_line_bytes,
        quick=quick,
    ) as reader:
        parts: dict[str, list[pl.DataFrame]] = {record.name: [] for record in reader.version.details}
        rejects: list[Reject] = []
        flags: list[pl.DataFrame] = []
        kept_bytes = 0
        for portion in reader.portions():
            for record, frame in portion.frames.items():
                parts[record].append(frame)
            rejects.extend(portion.rejects)
            flags.append(portion.flags)
            kept_bytes += sum(len(reject.original) for reject in portion.rejects)
            if kept_bytes > MAX_REFUSED_BYTES:
                raise _refused(reader, "MUITAS_RECUSAS", f"{len(rejects)} linhas recusadas, e o arquivo não acabou")
        frames = {record.name: _stack(parts[record.name], record_schema(record)) for record in reader.version.details}
        all_flags = _stack(flags, FLAGS_SCHEMA)
        repeated = _repeated(layout, frames)
        if layout.unique == "refuse" and repeated.height:
            rejects.extend(_refuse_repeated(reader, repeated))
            gone = repeated.select("linha")
            frames = {
                record: frame.join(gone, on="linha", how="anti", maintain_order="left")
                for record, frame in frames.items()
            }
            all_flags = all_flags.join(gone, on="linha", how="anti")
        elif repeated.height:
            all_flags = pl.concat([all_flags, repeated.select(list(FLAGS_SCHEMA))])
        return _reading(reader, frames, rejects, all_flags)


def _reading(
    reader: FileReader, frames: dict[str, pl.DataFrame], rejects: list[Reject], flags: pl.DataFrame
) -> Reading:
    """Put it together, prove that no row was lost, and refuse a file with too many refused rows."""
    accepted, read = sum(frame.height for frame in frames.values()), reader.tally.rows_read
    if accepted + len(rejects) != read:
        raise ProgramError(f"{reader.name}: {accepted} accepted + {len(rejects)} refused is not {read} read")
    reasons = Counter(reject.reason for reject in rejects)
    reading = Reading(
        layout=reader.layout,
        version=reader.version,
        name=reader.name,
        frames=frames,
        header=reader.tally.header,
        trailer=reader.tally.trailer,
        rejects=rejects_frame(rejects),
        flags=flags.sort("linha", maintain_order=True),
        rows_read=read,
        rows_accepted=accepted,
        rows_refused=len(rejects),
        refused_by_reason=dict(sorted(reasons.items())),
    )
    if too_many_refused(reader.layout.max_rejects, read, len(rejects)):
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        limit = f"{reader.layout.max_rejects:.2%}"
        message = f"{len(rejects)} de {read} linhas recusadas, limite {limit}: {told}"
        refusal = _refused(reader, "MUITAS_RECUSAS", message)
        refusal.reading = reading  # type: ignore[attr-defined]
        raise refusal
    return reading


def too_many_refused(max_rejects: float, read: int, refused: int) -> bool:
    """Whether the refused rows refuse the file.

    A limit of 0 means not one. Otherwise a file under 20 rows is refused only when nothing of it is left, and a larger
    one when the share of refused rows is above the limit; a limit of 1 never refuses.
    """
    if max_rejects == 0:
        return refused > 0
    if read < SMALLEST_SHARED:
        return 0 < refused == read and max_rejects < 1
    return refused > max_rejects * read


def _repeated(layout: Layout, frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Flags, with ``registro``, of the rows whose key stands again further down in the same record type."""
    parts = [pl.DataFrame(schema={**FLAGS_SCHEMA, "registro": pl.String()})]
    if layout.key and layout.unique != "allow":
        key = pl.struct(layout.key) if len(layout.key) > 1 else pl.col(layout.key[0])
        whole = pl.all_horizontal(pl.col(name).is_not_null() for name in layout.key)
        for frame in frames.values():
            earlier = frame.filter(whole & ~key.is_last_distinct())
            campo, motivo = pl.lit(", ".join(layout.key)), pl.lit("CHAVE_REPETIDA")
            parts.append(earlier.select("linha", campo.alias("campo"), motivo.alias("motivo"), "registro"))
    return pl.concat(parts)


def _refuse_repeated(reader: FileReader, repeated: pl.DataFrame) -> Iterator[Reject]:
    originals = reader.originals(set(repeated["linha"]))
    for line, field_, reason, record in repeated.iter_rows():
        yield Reject(line, record, field_, reason, "a chave está de novo mais abaixo no arquivo", "", originals[line])


def _stack(frames: list[pl.DataFrame], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def _refused(reader: FileReader, code: str, message: str) -> FileRefused:
    remedy = f"confira se o arquivo é de {reader.layout.layout} ({reader.layout.title}) e peça ao banco um novo"
    return FileRefused(code, message, remedy, file=reader.name)
