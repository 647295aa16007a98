"""Go-live: what the agency has today becomes the base of a day, and what Manager holds its first wave.

What belongs here: making the base in an order in which a killed import loses nothing and is simply run again. Reading
and showing the agency's file is in ``base_file``, what its rows mean in ``rules.base_inicial``.

The decision is recorded first and the base last: in between no day is made (``refuse_unfinished_import``), and running
again writes the same tables, finds its decision and its wave, and goes on. From then on a day before it, or the day
itself, is never made from files; so the files of those days that are there already must be in the agency's file too.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from pathlib import Path

import polars as pl

from atom_pipeline.errors import AtomError
from resources.base_file import Candidate, refuse_another_base
from resources.durable import hash_file, sync_file, sync_folder
from resources.ledger_records import IMPORT_BASE, Base, FileRecord, Wave, WaveKind, WaveStatus
from resources.ledger_waves import Busy
from resources.publish import plan_wave
from resources.runtime import IMPORTED, PortfolioRuntime


def accept_import(
    runtime: PortfolioRuntime,
    candidate: Candidate,
    *,
    why: str,
    author: str,
    allow_refused: bool = False,
    allow_unread: bool = False,
) -> Base:
    """Make the base of the day and put what Manager holds on the record. The same file again changes nothing.

    It only puts back tables that were lost. Raises AtomError without a reason and an author, with refused rows unless
    ``allow_refused``, with files of the day or one before it that no base was made from unless ``allow_unread``, when
    there is another base or a wave was sent already, or the file changed since it was read; Busy when another import
    is at work.
    """
    if not why.strip() or not author.strip():
        raise AtomError("accepting a base needs a reason and an author: --why and --author")
    if candidate.refused.height and not allow_refused:
        raise AtomError(
            f"{candidate.file.name}: {candidate.refused.height} of {candidate.rows_read} rows are refused: correct "
            "them and import again, or leave their contracts out with --allow-refused"
        )
    with runtime.ledger.exclusive("importacao") as alone:
        if not alone:
            raise Busy("another process is importing a base")
        done = refuse_another_base(runtime, candidate.day, candidate.sha256)
        if done is not None:
            _put_back(runtime, candidate, done)
            return done
        if hash_file(candidate.file) != candidate.sha256:
            raise _changed(candidate)
        unread = runtime.collected_until(candidate.day)
        if unread and not allow_unread:
            raise AtomError(
                f"no base was made from {_told(unread)}, and the one of {candidate.day:%Y-%m-%d} would stand for them. "
                "Import the base of a day before them, or, when the agency's file has what they say, leave them unread "
                "with --allow-unread"
            )
        left_out = f" (sem ler {_told(unread)})" if unread else ""
        runtime.ledger.decide(candidate.day, IMPORT_BASE, why=why + left_out, author=author)
        _archive(runtime, candidate)
        tables = {name: runtime.lake.write(name, candidate.day, frame).sha256 for name, frame in _frames(candidate)}
        # What came between the questions and the decision: a day that was being made, a file.
        refuse_another_base(runtime, candidate.day, candidate.sha256)
        if runtime.collected_until(candidate.day) != unread:
            raise AtomError(f"files of {candidate.day:%Y-%m-%d} or before came meanwhile: run the import again")
        _record_manager(runtime, candidate)
        digest = hashlib.sha256("\n".join(f"{name} {sha256}" for name, sha256 in sorted(tables.items())).encode())
        return runtime.ledger.record_base(
            Base(
                day=candidate.day,
                hash=digest.hexdigest(),
                tables=tables,
                inputs=candidate.sha256,
                previous_day=None,
                previous_hash=None,
                complete=True,
                waiting={},
                imported=True,
            )
        )


def _frames(candidate: Candidate) -> list[tuple[str, pl.DataFrame]]:
    return [*candidate.base.tables.items(), (IMPORTED, candidate.rows)]


def _put_back(runtime: PortfolioRuntime, candidate: Candidate, base: Base) -> None:
    """Write the tables of the base anew that are not what the ledger recorded. Raises AtomError if it cannot."""
    lake, day = runtime.lake, candidate.day
    for name, frame in _frames(candidate):
        if lake.exists(name, day) and lake.sha256(name, day) == base.tables[name]:
            continue
        if lake.write(name, day, frame).sha256 != base.tables[name]:
            raise AtomError(
                f"{candidate.file.name} no longer gives the table {name} that was imported: restore the lake from its "
                "backup"
            )


def _told(files: list[FileRecord], most: int = 20) -> str:
    names = ", ".join(f"{file.name} ({file.day:%Y-%m-%d})" for file in files[:most])
    return names + (f" and {len(files) - most} more" if len(files) > most else "")


def _changed(candidate: Candidate) -> AtomError:
    return AtomError(f"{candidate.file.name} changed while it was read: import it again")


def _archive(runtime: PortfolioRuntime, candidate: Candidate) -> Path:
    """Keep the very bytes that were read: ``<archive>/<day>/<layout>/<name>``, other content as ``<name>.v2``."""
    folder = runtime.archive / candidate.day.isoformat() / candidate.layout.layout
    runtime.archive.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".*.parcial"):
        leftover.unlink()  # of a killed import
    place, version = folder / candidate.file.name, 1
    while place.exists() and hash_file(place) != candidate.sha256:
        version += 1
        place = folder / f"{candidate.file.name}.v{version}"
    if place.exists():
        return place
    temporary = folder / f".{uuid.uuid4().hex}.parcial"
    try:
        shutil.copyfile(candidate.file, temporary)
        if hash_file(temporary) != candidate.sha256:
            raise _changed(candidate)
        sync_file(temporary)
        temporary.rename(place)
        for changed in (folder, folder.parent, runtime.archive):
            sync_folder(changed)
    finally:
        temporary.unlink(missing_ok=True)
    return place


def _record_manager(runtime: PortfolioRuntime, candidate: Candidate) -> Wave:
    """What Manager holds, as a wave that was sent and has no files. One that a killed import left is finished."""
    ledger, rows = runtime.ledger, candidate.base.manager
    for wave in reversed(ledger.waves()):
        if wave.status is WaveStatus.CANCELLED:
            continue
        same = wave.day == candidate.day and rows.equals(runtime.lake.read_wave_rows(wave.rows_path, wave.rows_sha256))
        if same:
            return ledger.mark_wave_sent(wave)
        if wave.status is WaveStatus.PLANNED:
            ledger.mark_wave_cancelled(wave, "a importação foi refeita com outro arquivo")
    note = f"importação de {candidate.file.name}: {rows.height} contratos que o Manager já tem; nada é enviado"
    planned = plan_wave(ledger, runtime.lake, candidate.day, WaveKind.IMPORTACAO, rows, lambda _: (), note)
    return ledger.mark_wave_sent(planned)
