"""The lake: one Parquet file per table and working day, on any fsspec URL, and what a wave sent, written once.

Paths, atomic writing and reading belong here; what the tables mean is in ``atom_pipeline``, when they are made in
``assets``. Equal frames give equal bytes, so a day that is run twice can be compared by hash (DESIGN section 4).
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import fsspec
import polars as pl

from atom_pipeline.errors import AtomError
from atom_pipeline.parquet import height, sink_table
from atom_pipeline.scratch import UNFINISHED, remove_abandoned, scratch_folder, unfinished_name
from resources.durable import hash_file, hash_stream, sync_file, sync_folder

_TABLE = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?")
WAVES = "ondas"


def _linked(source: Path, target: Path) -> None:
    """A second name for a file, or a copy where a disk has no second names."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


class TableMissing(AtomError):
    """A table was asked for on a day for which it was not written."""


class WrittenOnce(AtomError):
    """Something that is written once would be written again with other content."""


@dataclass(frozen=True)
class Written:
    """What was written. ``path`` is a local path on a local lake, a URL elsewhere; ``bytes`` is the file's size."""

    path: str
    rows: int
    bytes: int
    sha256: str


class _State(NamedTuple):
    """What the system says of a file: other after each change of it."""

    inode: int
    size: int
    modified: int
    changed: int


class Lake:
    """Tables under ``<root>/lake[/prefix]``; ``root`` is a folder or an fsspec URL."""

    def __init__(self, root: str | Path, prefix: str | None = None) -> None:
        self._fs, base = fsspec.core.url_to_fs(str(root), use_listings_cache=False, skip_instance_cache=True)
        self.base = "/".join(part for part in (base.rstrip("/"), "lake", prefix) if part)
        self.is_local = "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else [self._fs.protocol])
        self._hashes: dict[str, tuple[_State, str]] = {}  # of tables by their keys, each as its file was then

    def path(self, table: str, day: date) -> str:
        """Where the table of a day is: a local path on a local lake, a URL elsewhere. It need not exist."""
        return self._address(self._key(table, day))

    def write(self, table: str, day: date, frame: pl.DataFrame | pl.LazyFrame) -> Written:
        """Write a day's table whole, or leave the one that is there untouched (FAULTS 24 and 26).

        Of a LazyFrame only some rows are in memory at a time; the same rows give the same bytes either way.
        """
        return self._write(self._key(table, day), frame)

    @contextmanager
    def workshop(self) -> Iterator[Path]:
        """A folder for what is to become a table, gone when the block ends: on the lake's disk when that is local."""
        if not self.is_local:
            with scratch_folder() as elsewhere:
                yield elsewhere
            return
        folder = self._private() / unfinished_name()
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def take(self, table: str, day: date, source: Path, rows: int) -> Written:
        """Make a day's table of a Parquet file of a workshop, written by ``sink_table``, which may be read on there."""
        key = self._key(table, day)
        with self._temporary(key) as temporary:
            _linked(source, temporary)
            return self._promote(temporary, key, rows=rows, once=False)

    def read(self, table: str, day: date) -> pl.DataFrame:
        """The day's table. Raises TableMissing."""
        return self._read(self._key(table, day), f"{table} of {day:%Y-%m-%d}")

    def scan(self, table: str, day: date) -> pl.LazyFrame:
        """The day's table, lazily where the lake is a local folder. Raises TableMissing."""
        if self.is_local and self.exists(table, day):
            return pl.scan_parquet(self._key(table, day), glob=False, hive_partitioning=False)
        return self.read(table, day).lazy()

    def search(self, table: str, days: Iterable[date], wanted: pl.Expr) -> pl.DataFrame:
        """The rows of the table of several days for which ``wanted`` is true, in the days' order. Raises TableMissing.

        Of a local lake's files only the row groups are read whose statistics leave it open whether one is in them.
        """
        keys = {self._key(table, day): f"{table} of {day:%Y-%m-%d}" for day in days}
        return self._search(keys, wanted)

    def search_waves(self, paths: Sequence[str], wanted: pl.Expr, columns: Sequence[str]) -> pl.DataFrame:
        """Columns of the rows of waves for which ``wanted`` is true, with ``onda``, the wave's place in ``paths``.

        As ``search``: the files are not compared with the hashes that the ledger recorded (`atom verify` does that).
        """
        keys = {self._inside(path): path for path in paths}
        found = self._search(keys, wanted, columns, origin="onda")
        places = {key: place for place, key in enumerate(keys)}
        return found.with_columns(pl.col("onda").replace_strict(places, return_dtype=pl.Int64)) if keys else found

    def exists(self, table: str, day: date) -> bool:
        return bool(self._fs.isfile(self._key(table, day)))

    def sha256(self, table: str, day: date, *, anew: bool = False) -> str:
        """Hash of the table's file. Raises TableMissing.

        A day asks for the same ones dozens of times: a local file is hashed again once anybody has replaced or changed
        it, and where it is asked for ``anew``, by whoever does not trust the disk.
        """
        key, what = self._key(table, day), f"{table} of {day:%Y-%m-%d}"
        before, known = self._state(key), self._hashes.get(key)
        if not anew and known is not None and known[0] == before:
            return known[1]
        sha256 = self._sha256(key, what)
        if before is not None:
            self._hashes[key] = (before, sha256)
        return sha256

    def remove_leftovers(self) -> int:
        """Remove what killed writers left, not what a living one is writing; returns how many files."""
        if not self.is_local or not Path(self.base).is_dir():
            return 0
        return remove_abandoned(Path(self.base).rglob(f".*{UNFINISHED}"))

    def files(self) -> Iterator[tuple[str, int]]:
        """Path, relative to the lake's root, and bytes of every file there is, by path; none of an unfinished one.

        Below a lake without a prefix lie those of the portfolios that have one, too.
        """
        if not self._fs.isdir(self.base):
            return
        for path, info in sorted(self._fs.find(self.base, detail=True).items()):
            inside = str(path).removeprefix(f"{self.base}/")
            if UNFINISHED not in inside:
                yield inside, int(info["size"])

    def has(self, path: str) -> bool:
        """Whether a path relative to the lake's root is there."""
        return bool(self._fs.isfile(self._inside(path)))

    def remove(self, path: str) -> None:
        """Remove what a path relative to the lake's root holds, and a wave's folder with its last file. Idempotent."""
        key = self._inside(path)
        if self._fs.isfile(key):
            self._fs.rm_file(key)
        folder = Path(key).parent
        if self.is_local and path.startswith(f"{WAVES}/") and path.count("/") == 2 and not any(folder.iterdir()):
            folder.rmdir()

    # Waves: written once, before the ledger records them; see ``resources.publish``.

    def wave_path(self, day: date, number: int) -> str:
        """Key of a wave's rows, relative to the lake's root, as the ledger keeps it."""
        return f"{WAVES}/{day:%Y-%m-%d}_{number:02d}.parquet"

    def write_wave_rows(
        self, day: date, number: int, rows: pl.DataFrame, *, replace_unrecorded: bool = False
    ) -> Written:
        """Write a wave's rows once. The same rows again are nothing; others raise WrittenOnce.

        ``replace_unrecorded`` is for whoever holds the planning lock and knows that the ledger has no such wave: what
        is there then is the rest of a planning that was killed.
        """
        return self._write(self._inside(self.wave_path(day, number)), rows, once=not replace_unrecorded)

    def read_wave_rows(self, path: str, sha256: str) -> pl.DataFrame:
        """A wave's rows as they were recorded. Raises WrittenOnce when the file is not the recorded one."""
        key = self._inside(path)
        if self._sha256(key, path) != sha256:
            raise WrittenOnce(f"{path} is not what the ledger recorded: restore the lake from its backup")
        return self._read(key, path)

    def wave_file_path(self, day: date, number: int, name: str) -> str:
        """Key of the copy of a file that a wave sends, relative to the lake's root."""
        return f"{WAVES}/{day:%Y-%m-%d}_{number:02d}/{name}"

    def store_wave_file(
        self, source: Path, day: date, number: int, name: str, *, replace_unrecorded: bool = False
    ) -> Written:
        """Keep the file that a wave will send, so that sending can go on after a crash. ``rows`` is 0: unknown here."""
        key = self._inside(self.wave_file_path(day, number, name))
        with self._temporary(key) as temporary:
            shutil.copyfile(source, temporary)
            return self._promote(temporary, key, rows=0, once=not replace_unrecorded)

    def open(self, path: str) -> BinaryIO:
        """Read what a path relative to the lake's root holds, e.g. a wave's file. Raises TableMissing."""
        key = self._inside(path)
        if not self._fs.isfile(key):
            raise TableMissing(f"the lake has no {path}")
        return cast(BinaryIO, self._fs.open(key, "rb"))

    # Writing and reading.

    def _write(self, key: str, frame: pl.DataFrame | pl.LazyFrame, *, once: bool = False) -> Written:
        with self._temporary(key) as temporary:
            sink_table(frame.lazy(), temporary)
            rows = frame.height if isinstance(frame, pl.DataFrame) else height(temporary)
            return self._promote(temporary, key, rows=rows, once=once)

    @contextmanager
    def _temporary(self, key: str) -> Iterator[Path]:
        """A local file to write to: beside its target when the lake is local, so that the rename is atomic."""
        if not self.is_local:
            with scratch_folder() as elsewhere:
                yield elsewhere / UNFINISHED
            return
        self._private()
        temporary = Path(key).parent / unfinished_name()
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _private(self) -> Path:
        """The local lake's folder: what is in it is personal data, for its owner only."""
        Path(self.base).mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(self.base)

    def _promote(self, temporary: Path, key: str, *, rows: int, once: bool) -> Written:
        sha256 = hash_file(temporary)
        written = Written(self._address(key), rows, temporary.stat().st_size, sha256)
        if once and self._fs.exists(key):
            if self._sha256(key, key) == sha256:
                return written
            raise WrittenOnce(f"{key} is written once and holds other content")
        if self.is_local:
            sync_file(temporary)
            ours = self._state(str(temporary))
            temporary.replace(key)
            there = self._state(key)
            if ours and there and ours.inode == there.inode:  # nobody else has written it meanwhile
                self._hashes[key] = (there, sha256)
            sync_folder(Path(key).parent)
        else:
            self._fs.put_file(str(temporary), key)
        return written

    def _read(self, key: str, what: str) -> pl.DataFrame:
        if not self._fs.isfile(key):
            raise TableMissing(f"the lake has no {what}: materialize it first")
        if self.is_local:
            return pl.read_parquet(key, glob=False, hive_partitioning=False)
        return pl.read_parquet(io.BytesIO(self._fs.cat_file(key)), hive_partitioning=False)

    def _search(
        self, keys: dict[str, str], wanted: pl.Expr, columns: Sequence[str] = (), *, origin: str | None = None
    ) -> pl.DataFrame:
        """``keys`` with what each is called; ``origin`` is a column for the key that a row is from."""
        taken = [pl.col(columns), *([origin] if origin else [])] if columns else [pl.all()]
        for key, what in keys.items():
            if not self._fs.isfile(key):
                raise TableMissing(f"the lake has no {what}: materialize it first")
        if not keys:
            return pl.DataFrame()
        if self.is_local:
            scan = pl.scan_parquet(
                list(keys), glob=False, hive_partitioning=False, include_file_paths=origin, missing_columns="insert"
            )
            return scan.filter(wanted).select(taken).collect()
        frames = [self._read(key, what).filter(wanted) for key, what in keys.items()]
        if origin is not None:
            frames = [frame.with_columns(pl.lit(key).alias(origin)) for frame, key in zip(frames, keys, strict=True)]
        return pl.concat(frames, how="diagonal_relaxed").select(taken)

    def _state(self, key: str) -> _State | None:
        """None of a file that is not there, or not local."""
        try:
            found = Path(key).stat() if self.is_local else None
        except FileNotFoundError:
            return None
        return _State(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns) if found else None

    def _sha256(self, key: str, what: str) -> str:
        if not self._fs.isfile(key):
            raise TableMissing(f"the lake has no {what}: materialize it first")
        with self._fs.open(key, "rb") as stream:
            return hash_stream(stream)

    def _key(self, table: str, day: date) -> str:
        if not _TABLE.fullmatch(table):
            raise ValueError(f"not a table's name: {table!r}")
        return f"{self.base}/{table}/{day:%Y-%m-%d}.parquet"

    def _inside(self, path: str) -> str:
        parts = path.split("/")
        if any(part in {"", ".", ".."} for part in parts) or "\\" in path or not path.isprintable():
            raise ValueError(f"not a path of the lake: {path!r}")
        return f"{self.base}/{path}"

    def _address(self, key: str) -> str:
        return key if self.is_local else cast(str, self._fs.unstrip_protocol(key))
