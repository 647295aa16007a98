"""Whether lake and archive hold what the ledger says they do: after a restore, or when a disk is not trusted.

Read only. What was removed by age (``retention``) is not missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atom_pipeline.retention import Part
from resources.durable import hash_file, hash_stream
from resources.lake import TableMissing
from resources.ledger_records import FileStatus, WaveStatus
from resources.retention import was_pruned
from resources.runtime import PortfolioRuntime


@dataclass(frozen=True)
class Checked:
    """One thing the ledger names. ``fault``: why it is not as the ledger says; None when it is."""

    what: str
    fault: str | None


def verify(runtime: PortfolioRuntime) -> Iterator[Checked]:
    """Look at every collected file, table of a base, and wave that the ledger names and that is still kept."""
    yield from _files(runtime)
    yield from _bases(runtime)
    yield from _waves(runtime)


def _files(runtime: PortfolioRuntime) -> Iterator[Checked]:
    for day in runtime.ledger.days_with_files():
        if was_pruned(runtime, Part.ARCHIVE, day):
            continue
        for file in runtime.ledger.files(day, every=True):
            if file.status is FileStatus.DUPLICATE:
                continue  # its bytes are those of another
            path = runtime.archived(file)
            fault = "it is missing" if not path.is_file() else _differs(hash_file(path), file.sha256)
            yield Checked(f"arquivo/{file.archived_path}", fault)


def _bases(runtime: PortfolioRuntime) -> Iterator[Checked]:
    for base in runtime.ledger.bases():
        pruned = was_pruned(runtime, Part.BASE, base.day)
        for table, sha256 in sorted(base.tables.items()):
            what = f"lake/{table}/{base.day:%Y-%m-%d}.parquet"
            if runtime.lake.exists(table, base.day):
                yield Checked(what, _differs(runtime.lake.sha256(table, base.day, anew=True), sha256))
            elif not pruned:
                yield Checked(what, "it is missing")


def _waves(runtime: PortfolioRuntime) -> Iterator[Checked]:
    for wave in runtime.ledger.waves():
        if wave.status is WaveStatus.CANCELLED:
            continue
        pruned = was_pruned(runtime, Part.WAVES, wave.day)
        named = {wave.rows_path: wave.rows_sha256} | {file.path: file.sha256 for file in wave.files}
        for path, sha256 in named.items():
            try:
                with runtime.lake.open(path) as stream:
                    yield Checked(f"lake/{path}", _differs(hash_stream(stream), sha256))
            except TableMissing:
                if not pruned:
                    yield Checked(f"lake/{path}", "it is missing")


def _differs(found: str, recorded: str) -> str | None:
    return None if found == recorded else f"it is {found[:12]}…, and the ledger recorded {recorded[:12]}…"
