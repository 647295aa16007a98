"""A file of the bank straight to a Parquet file, in memory that does not grow with the file.

The rows are those of ``reading.read_file``, all record types in one table, in the order of the file's lines; equal
files give equal bytes. Frames in memory are ``reading``'s.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from atom_pipeline.errors import ProgramError
from atom_pipeline.layout.model import Layout, Merge, Record, Version
from atom_pipeline.layout.outcome import FileOutcome, Findings, refuse_too_many
from atom_pipeline.layout.reading import FileReader, by_some_version
from atom_pipeline.layout.repeated import lines_replaced
from atom_pipeline.layout.schema import LINE, RECORD, in_shape, polars_schema
from atom_pipeline.parquet import sink_table

COMPRESSION_LEVEL = 1  # of zstd: as small as level 3 on these files, in two thirds of the time
GROUP_BYTES = 128 * 1024 * 1024  # of the file in a row group, about: one is in memory while it is written
GROUP_ROWS = (8_192, 131_072)  # at least, at most


def read_to_parquet(
    layout: Layout,
    source: Path | BinaryIO,
    target: Path,
    *,
    name: str,
    day: date,
    quick: bool | None = None,
) -> FileOutcome:
    """Read a file as ``read_file`` does and leave its accepted rows in ``target``.

    Raises FileRefused as ``read_file`` does; then, and whenever it fails, there is no ``target``.
    """
    partial = target.with_name(f".{target.name}.parcial")

    def store(version: Version | None) -> FileOutcome:
        with FileReader(layout, source, name=name, day=day, quick=quick, version=version) as reader:
            outcome = _Storing(reader).store(partial)
        refuse_too_many(outcome)
        return outcome

    try:
        outcome = by_some_version(layout, day, source, store)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return outcome


def spool_file(
    layout: Layout,
    source: Path | BinaryIO,
    target: Path,
    *,
    name: str,
    day: date,
    excel: bool = False,
    added: Sequence[pl.Expr] = (),
    shape: dict[str, pl.DataType],
    newer: pl.DataFrame | None = None,
) -> FileOutcome:
    """Read a file as ``read_file`` does and leave its accepted rows in ``target``, as the lake writes its tables.

    ``added`` are columns of one value for the whole file, ``shape`` the columns wanted: those of another version than
    the file's are null. ``newer`` has the rows, in that shape, of newer files: they come after those of this one, of
    which those with one of their keys are left out. Of a layout whose later row holds, rows may be left out that a
    later one of the file replaces. All of them count as accepted. Raises FileRefused as ``read_file`` does: ``target``
    is of no use then.
    """

    def store(version: Version | None) -> FileOutcome:
        with FileReader(layout, source, name=name, day=day, excel=excel, version=version) as reader:
            replaced = None
            if isinstance(source, Path) and layout.merge is Merge.LATEST_PER_KEY and layout.unique == "flag":
                replaced = lines_replaced(source, layout, reader.version)
            spooling = _Spooling(reader, added, shape, newer, replaced)
            outcome = spooling.store(target)
        if spooling.leaves_out_too_much():
            with FileReader(layout, source, name=name, day=day, excel=excel, version=version) as reader:
                outcome = _Spooling(reader, added, shape, newer).store(target)
        refuse_too_many(outcome)
        return outcome

    return by_some_version(layout, day, source, store)


class _Storing:
    """One file on its way to Parquet."""

    def __init__(self, reader: FileReader) -> None:
        self._reader = reader
        self._findings = Findings(reader)
        self._schema = polars_schema(reader.layout, reader.version)
        self._keys: dict[str, list[pl.DataFrame]] = {record.name: [] for record in reader.version.details}
        self._accepted = 0
        self._failure: BaseException | None = None

    def store(self, target: Path) -> FileOutcome:
        rows = register_io_source(self._frames, schema=self._schema)
        try:
            self._sink(rows, target)
        except Exception:
            if self._failure is not None:
                raise self._failure from None  # Polars tells of it in words only
            raise
        keys = {name: pl.concat(parts) for name, parts in self._keys.items() if parts}
        gone = self._findings.repeated_keys(keys)
        if gone.height:
            whole = target.with_name(f"{target.name}.inteiro")
            target.rename(whole)
            try:
                kept = pl.scan_parquet(whole, glob=False).join(gone.lazy(), on=LINE, how="anti", maintain_order="left")
                self._sink(kept, target)
            finally:
                whole.unlink()
        return self._findings.outcome(self._accepted - gone.height)

    def _sink(self, rows: pl.LazyFrame, target: Path) -> None:
        longest = max(_line_bytes(record) for record in self._reader.version.details)
        fewest, most = GROUP_ROWS
        rows.sink_parquet(
            target,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            row_group_size=min(max(GROUP_BYTES // longest, fewest), most),
            maintain_order=True,
        )

    def _frames(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        """The accepted rows portion by portion: what Polars asks a source for. It asks for all of them."""
        if predicate is not None or rows is not None:
            raise NotImplementedError("a part of a file's rows")
        del batch
        try:
            for portion in self._reader.portions():
                self._findings.add(portion)
                for name, frame in portion.frames.items():
                    self._accepted += frame.height
                    if self._reader.layout.key and self._reader.layout.unique != "allow":
                        self._keys[name].append(_copied(frame.select(LINE, RECORD, *self._reader.layout.key)))
                frames = list(portion.frames.values())
                if frames:
                    whole = self._together(frames)
                    yield whole if columns is None else whole.select(columns)
        except BaseException as failure:
            self._failure = failure
            raise

    def _together(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        """All record types in one frame, in the order of the lines."""
        if len(frames) == 1 and frames[0].columns == list(self._schema):
            return frames[0]
        absent = pl.DataFrame(schema=self._schema)
        whole = pl.concat([absent, *frames], how="diagonal")
        return whole.sort(LINE) if len(frames) > 1 else whole


class _Spooling(_Storing):
    """One file on its way to the table of its day, in that table's columns and written as the lake does."""

    def __init__(
        self,
        reader: FileReader,
        added: Sequence[pl.Expr],
        shape: dict[str, pl.DataType],
        newer: pl.DataFrame | None,
        replaced: pl.Series | None = None,
    ) -> None:
        super().__init__(reader)
        self._added, self._shape, self._newer = added, shape, newer
        types = pl.Schema({name: self._schema[name] for name in reader.layout.key})  # of the version that it follows
        self._gone = newer.select(types.names()).cast(types, strict=False).unique() if newer is not None else None
        self._replaced = replaced if replaced is not None and replaced.len() else None
        if newer is not None and reader.layout.unique == "refuse":
            raise ProgramError(f"{reader.layout.layout}: of repeated keys it refuses a row, and needs the file alone")

    def leaves_out_too_much(self) -> bool:
        """Whether a row was left out that no accepted row further down replaces."""
        if self._replaced is None:
            return False
        parts = [frame for frames in self._keys.values() for frame in frames]
        rows = pl.concat(parts, how="diagonal").sort(LINE)
        one = pl.struct(self._reader.layout.key)
        left_out = rows.filter(one.is_last_distinct() & pl.col(LINE).is_in(self._replaced.implode()))
        return left_out.height > 0

    def _together(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        whole = super()._together(frames)
        if self._replaced is not None:
            whole = whole.filter(~pl.col(LINE).is_in(self._replaced.implode()))
        if self._gone is not None:
            whole = whole.join(self._gone, on=self._gone.columns, how="anti", nulls_equal=True, maintain_order="left")
        return whole

    def _sink(self, rows: pl.LazyFrame, target: Path) -> None:
        table = in_shape(rows.with_columns(self._added), self._shape)
        sink_table(table if self._newer is None else pl.concat([table, self._newer.lazy()]), target)


def _copied(frame: pl.DataFrame) -> pl.DataFrame:
    """The same in memory of its own: a column of a block keeps all columns of the block in memory."""
    out = io.BytesIO()
    frame.write_ipc(out, compat_level=pl.CompatLevel.oldest())
    out.seek(0)
    return pl.read_ipc(out)


def _line_bytes(record: Record) -> int:
    """Bytes of a line, about."""
    return record.length or 12 * len(record.fields)
