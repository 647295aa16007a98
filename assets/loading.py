"""The files of a layout and day, read and merged into one table: in memory, or by way of the lake's disk.

Reading a file is in ``atom_pipeline.layout``, the merge policies in ``atom_pipeline.rules.merge``. Here it is decided
how much of a day's rows is in memory, and the ledger learns what came of each file.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl

from assets import metadata as show
from atom_pipeline.day import Outcome
from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.model import Layout, Merge
from atom_pipeline.layout.outcome import FileOutcome
from atom_pipeline.layout.reading import read_file
from atom_pipeline.layout.schema import in_shape, polars_schema
from atom_pipeline.layout.storing import spool_file
from atom_pipeline.rules.merge import latest_rows, merge_files, merge_in_order
from atom_pipeline.rules.state import empty
from resources.ledger_records import FileRecord, Load
from resources.runtime import OUTCOMES, PortfolioRuntime

LARGE = 64 * 1024 * 1024  # bytes of a day's files of a layout: from here on their rows are not in memory all at once
LATER = 64 * 1024 * 1024  # bytes of those that came after the first of them: below this their rows are in memory
ORIGIN_SCHEMA: dict[str, pl.DataType] = {
    "arquivo": pl.String(),
    "carimbo": pl.Datetime("us"),
    "ordem": pl.Int64(),
}


@dataclass(frozen=True)
class LoadedDay:
    """All that one layout's files of a day gave."""

    received: pl.LazyFrame  # accepted rows after the merge
    stored: Path | None  # the Parquet file with all of them and no others, where there is one
    rows: int  # in it
    refused: pl.DataFrame  # recusadas
    flagged: pl.DataFrame  # sinalizadas
    files: pl.DataFrame  # cargas
    versions: dict[str, date]  # of the files that were read: since when the version that they follow is in force
    by_reason: dict[str, int]


def load_day(runtime: PortfolioRuntime, layout: Layout, day: date, spool: Path | None = None) -> LoadedDay:
    """Read every current file of a layout and day, record each one's outcome, and merge the accepted rows.

    A refused file (FA001) leaves its rows out and is recorded with its reason; the others count. Running it again
    records and returns the same. Rows of large files are stored in the folder ``spool`` (None: they are in memory), and
    ``received`` is of use while it is there.
    """
    refused: list[pl.DataFrame] = [empty("recusadas")]
    flagged: list[pl.DataFrame] = [empty("sinalizadas")]
    loads: list[tuple[FileRecord, Load]] = []
    by_reason: Counter[str] = Counter()
    # Where rows are appended, a new version keeps its name's place, and so each enriched phone its number; elsewhere
    # the newest arrival is the newest word.
    first_arrivals = runtime.ledger.first_arrivals(day) if layout.merge is Merge.APPEND else {}
    schema = received_schema(layout, day)
    current = [(file, first_arrivals.get(file.name, file.arrival)) for file in runtime.ledger.files(day, layout.layout)]
    if sum(file.size for file, _ in current) < LARGE:
        spool = None
    reads, received, stored = _Reader(runtime, layout, day, schema).read_and_merge(current, spool)
    for file, _ in current:
        load, came = reads[file.id].load, reads[file.id].came
        loads.append((file, load))
        by_reason.update(load.refused_by_reason)
        if came is not None:
            refused.append(_of_file(came.rejects, "recusadas", file, day))
            flagged.append(_of_file(came.flags, "sinalizadas", file, day))
    superseded_files = _behind_a_refused_one(layout, loads)
    if superseded_files:
        received, stored = pl.LazyFrame(schema=schema), None
    kept = dict(received.select("arquivo").group_by("arquivo").len().collect(engine="streaming").iter_rows())
    rows = []
    for file, load in loads:
        superseded = load.rows_accepted - kept.get(file.name, 0) if load.outcome == "loaded" else 0
        runtime.ledger.record_load(replace(load, rows_superseded=superseded))
        outcome = Outcome.SUPERSEDED if file.id in superseded_files else OUTCOMES[load.outcome]
        rows.append(_file_row(file, load, day, outcome, superseded))
    files = pl.DataFrame(rows, schema=empty("cargas").schema)
    versions = {file.name: load.version_since for file, load in loads if load.version_since is not None}
    return LoadedDay(
        received,
        stored,
        sum(kept.values()),
        pl.concat(refused),
        pl.concat(flagged),
        files,
        versions,
        dict(by_reason),
    )


def _behind_a_refused_one(layout: Layout, loads: list[tuple[FileRecord, Load]]) -> set[int]:
    """Files that were read and do not count, since the newest of a layout of which only the newest counts was refused.

    Yesterday's truth must not close a contract because today's could not be read.
    """
    if layout.merge is not Merge.NEWEST_FILE or not loads:
        return set()
    newest, load = max(loads, key=lambda one: (one[0].stamp or datetime.min, one[0].arrival))
    return set() if load.outcome == "loaded" else {file.id for file, _ in loads if file.id != newest.id}


def received_schema(layout: Layout, day: date) -> dict[str, pl.DataType]:
    """Columns of ``recebido/<layout>``: the layout's fields and where each row comes from."""
    return {**polars_schema(layout, layout.version_on(day)), **ORIGIN_SCHEMA}


@dataclass(frozen=True)
class _Read:
    """What reading a file gave: what to record, what came of its rows when it came to rows, and the accepted ones.

    These are in the columns of the day's table, in memory or in a Parquet file. There are none of a file that is
    refused as a whole.
    """

    load: Load
    came: FileOutcome | None
    rows: pl.DataFrame | Path | None


@dataclass(frozen=True)
class _Reader:
    """Reads the files of a layout and day; those that are given a ``spool``, without having their rows in memory."""

    runtime: PortfolioRuntime
    layout: Layout
    day: date
    schema: dict[str, pl.DataType]

    def read_and_merge(
        self, files: Sequence[tuple[FileRecord, int]], spool: Path | None
    ) -> tuple[dict[int, _Read], pl.LazyFrame, Path | None]:
        """What reading each file gave, by its id; the rows that count; and the Parquet file that has just these."""
        per_key = self.layout.merge in {Merge.LATEST_PER_KEY, Merge.REPLACE_PER_KEY}
        by_age = sorted(files, key=lambda one: (one[0].stamp or datetime.min, one[1]))
        if spool is None or not files:
            reads = {file.id: self.read(file, order) for file, order in files}
            return reads, self._merged_in_memory(files, reads), None
        if per_key and self.layout.unique != "refuse" and sum(file.size for file, _ in by_age[1:]) < LATER:
            return self._oldest_as_a_stream(by_age, spool)
        reads = {file.id: self.read(file, order, spool) for file, order in files}
        stored = [(file, order, rows) for file, order in files if isinstance(rows := reads[file.id].rows, Path)]
        if not stored:
            return reads, pl.LazyFrame(schema=self.schema), None
        frames = [pl.scan_parquet(path, glob=False, hive_partitioning=False) for _, _, path in stored]
        stamps = [(file.stamp, order) for file, order, _ in stored]
        merged = merge_in_order(frames, self.layout.merge, self.layout.key, stamps=stamps)
        alone = [path for (_, _, path), frame in zip(stored, frames, strict=True) if frame is merged]
        return reads, merged.select(list(self.schema)), alone[0] if alone else None

    def _oldest_as_a_stream(
        self, by_age: Sequence[tuple[FileRecord, int]], spool: Path
    ) -> tuple[dict[int, _Read], pl.LazyFrame, Path | None]:
        """The evening's large file and what came after it: those are read first, and tell what of it counts."""
        (oldest, order), *later = by_age
        reads = {file.id: self.read(file, order) for file, order in later}
        newer = self._merged_in_memory(later, reads).collect()
        reads[oldest.id] = self.read(oldest, order, spool, newer if newer.height else None)
        path = reads[oldest.id].rows
        if not isinstance(path, Path):
            return reads, newer.lazy(), None
        stored = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        latest = latest_rows(stored, self.layout.key) if self.layout.merge is Merge.LATEST_PER_KEY else stored
        return reads, latest, path if latest is stored else None

    def _merged_in_memory(self, files: Sequence[tuple[FileRecord, int]], reads: dict[int, _Read]) -> pl.LazyFrame:
        loaded = [(file, order, rows) for file, order in files if isinstance(rows := reads[file.id].rows, pl.DataFrame)]
        if not loaded:
            return pl.LazyFrame(schema=self.schema)
        stamps = [(file.stamp, order) for file, order, _ in loaded]
        merged = merge_files([rows for _, _, rows in loaded], self.layout.merge, self.layout.key, stamps=stamps)
        return merged.frame.lazy().select(list(self.schema))

    def read(self, file: FileRecord, order: int, spool: Path | None = None, newer: pl.DataFrame | None = None) -> _Read:
        """Read a file. ``newer`` are the rows that count of newer files: see ``spool_file``."""
        started = perf_counter()
        came: FileOutcome | None
        layout, source, origin = self.layout, self.runtime.archived(file), _origin(file, order)
        rows: pl.DataFrame | Path | None = None
        try:
            if spool is None:
                reading = read_file(layout, source, name=file.name, day=self.day, excel=file.excel)
                rows = in_shape(reading.frame().lazy().with_columns(origin), self.schema).collect()
                came = reading
            else:
                target = spool / f"{file.id}.parquet"
                came = spool_file(
                    layout, source, target, name=file.name, day=self.day, excel=file.excel, added=origin,
                    shape=self.schema, newer=newer,
                )  # fmt: skip
                rows = target
            code = message = None
        except FileRefused as refusal:
            came, code, message = getattr(refusal, "reading", None), refusal.code, str(refusal)
        load = Load(
            file.id,
            "loaded" if code is None else "refused",
            code=code,
            message=message,
            rows_read=came.rows_read if came else 0,
            rows_accepted=came.rows_accepted if came else 0,
            rows_refused=came.rows_refused if came else 0,
            refused_by_reason=came.refused_by_reason if came else {},
            flags=show.counts(came.flags, "motivo") if came else {},
            version_since=came.version.since if came else None,
            seconds=perf_counter() - started,
        )
        return _Read(load, came, rows)


def _origin(file: FileRecord, order: int) -> list[pl.Expr]:
    """Where a row comes from: ORIGIN_SCHEMA."""
    return [
        pl.lit(file.name).alias("arquivo"),
        pl.lit(file.stamp, dtype=pl.Datetime("us")).alias("carimbo"),
        pl.lit(order, dtype=pl.Int64).alias("ordem"),
    ]


def _of_file(frame: pl.DataFrame, table: str, file: FileRecord, day: date) -> pl.DataFrame:
    schema = empty(table).schema
    return frame.with_columns(dia=pl.lit(day), layout=pl.lit(file.layout), arquivo=pl.lit(file.name)).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


def _file_row(file: FileRecord, load: Load, day: date, outcome: Outcome, superseded: int) -> dict[str, Any]:
    return {
        "dia": day,
        "layout": file.layout,
        "arquivo": file.name,
        "versao": file.version,
        "tamanho": file.size,
        "sha256": file.sha256,
        "situacao": outcome.value,
        "motivo": load.message,
        "lidas": load.rows_read,
        "aceitas": load.rows_accepted,
        "recusadas": load.rows_refused,
        "substituidas": superseded,
    }
