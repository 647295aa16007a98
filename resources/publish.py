"""How a wave reaches Manager: planned on the record, sent file by file, marked as sent (DESIGN section 6).

What a wave holds is decided in ``assets`` and ``atom_pipeline.waves``. Here is only the order of steps that loses
nothing and sends nothing twice: rows and files into the lake, the plan into the ledger, each file to the server,
the wave marked as sent. A process may be killed between any two of them; ``resume`` goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from atom_pipeline.errors import AtomError
from atom_pipeline.waves import SentWave, fold
from resources.file_server import FileServer, Published
from resources.lake import Lake
from resources.ledger import Ledger
from resources.ledger_records import RESETS, Wave, WaveFile, WaveKind, WaveStatus
from resources.ledger_waves import Busy, WaveRefused


@dataclass(frozen=True)
class Draft:
    """A file to send: written locally, not in the lake yet."""

    local: Path
    name: str
    layout: str
    rows: int


def manager_state(ledger: Ledger, lake: Lake, up_to: Wave | None = None) -> pl.DataFrame:
    """What Manager has, by the waves sent to it (``atom_pipeline.waves.HELD``), now or after ``up_to`` was sent."""
    return fold(
        SentWave(wave.day, wave.number, wave.kind in RESETS, lake.read_wave_rows(wave.rows_path, wave.rows_sha256))
        for wave in ledger.waves_manager_has(up_to)
    )


def plan_wave(
    ledger: Ledger,
    lake: Lake,
    day: date,
    kind: WaveKind,
    rows: pl.DataFrame,
    write_files: Callable[[int], Sequence[Draft]],
    note: str = "",
    *,
    against: pl.DataFrame | None = None,
) -> Wave:
    """Plan the day's next wave. ``rows`` is what it says (``atom_pipeline.waves.ROWS``).

    ``against`` is what Manager had when ``rows`` were made; Busy is raised when that is no longer so.

    ``write_files`` is called once with the wave's number, which names hold, and writes the files. Nothing is on the
    record until all is in the lake; what a killed planning left there is written over. Raises Busy or WaveRefused.
    """
    with ledger.wave_slot(day) as slot:
        if against is not None and not manager_state(ledger, lake).equals(against):
            raise Busy("another wave was sent while this one was made: make it again")
        drafts = write_files(slot.number)
        written = lake.write_wave_rows(day, slot.number, rows, replace_unrecorded=True)
        files = [_store(lake, day, slot.number, draft) for draft in drafts]
        return ledger.plan_wave(
            slot,
            kind,
            files=files,
            rows_path=lake.wave_path(day, slot.number),
            rows_sha256=written.sha256,
            note=note,
        )


def publish_wave(server: FileServer, ledger: Ledger, lake: Lake, wave: Wave) -> Wave:
    """Send a planned wave; whatever of it is there already is not sent again. Returns it as sent.

    Raises ConflictError when a name is taken by other content, FileServerError when the server fails, WaveRefused when
    a later day's wave was sent or this one cancelled, Busy when another process sends. The wave stays planned then.
    """
    with ledger.exclusive("ondas") as alone:
        if not alone:
            raise Busy("another process is planning or sending a wave")
        current = _current(ledger, wave)
        if current.status is WaveStatus.SENT:
            return current
        if current.status is WaveStatus.CANCELLED:
            raise WaveRefused(f"wave {wave.label} was cancelled")
        ledger.refuse_if_out_of_order(wave.day)
        for file in current.files:
            _send(server, lake, file)
        return ledger.mark_wave_sent(current)


def resume(
    server: FileServer,
    ledger: Ledger,
    lake: Lake,
    *,
    refusal: Callable[[Wave], str | None] | None = None,
    before: date | None = None,
) -> list[Wave]:
    """Send what was planned and not sent, if anything, before a new wave is planned. Raises as ``publish_wave``.

    ``refusal`` says why a wave may no longer go: it is cancelled with that reason, unless a part of it was delivered;
    the rest follows then. ``before`` leaves the waves of that day and of later ones. Returns each wave as it became.
    """
    done: list[Wave] = []
    for wave in ledger.waves(status=WaveStatus.PLANNED):
        if before is not None and wave.day >= before:
            continue
        why = refusal(wave) if refusal else None
        if why and not delivered(server, wave):
            done.append(cancel_wave(server, ledger, wave, why=why))
        else:
            done.append(publish_wave(server, ledger, lake, wave))
    return done


def delivered(server: FileServer, wave: Wave) -> list[str]:
    """Names of the wave's files that are at Manager."""
    return [file.name for file in wave.files if server.sha256(file.name) == file.sha256]


def cancel_wave(server: FileServer, ledger: Ledger, wave: Wave, *, why: str) -> Wave:
    """Give up a planned wave of which nothing reached Manager. Raises WaveRefused when something did."""
    if not why.strip():
        raise WaveRefused(f"cancelling wave {wave.label} needs a reason")
    with ledger.exclusive("ondas") as alone:
        if not alone:
            raise Busy("another process is planning or sending a wave")
        there = delivered(server, wave)
        if there:
            raise WaveRefused(f"wave {wave.label}: Manager has {', '.join(there)} already; send the rest instead")
        return ledger.mark_wave_cancelled(wave, why.strip())


def _store(lake: Lake, day: date, number: int, draft: Draft) -> WaveFile:
    stored = lake.store_wave_file(draft.local, day, number, draft.name, replace_unrecorded=True)
    return WaveFile(
        name=draft.name,
        layout=draft.layout,
        rows=draft.rows,
        size=stored.bytes,
        sha256=stored.sha256,
        path=lake.wave_file_path(day, number, draft.name),
    )


def _send(server: FileServer, lake: Lake, file: WaveFile) -> Published:
    return server.publish_stream(lambda: lake.open(file.path), file.name, size=file.size, sha256=file.sha256)


def _current(ledger: Ledger, wave: Wave) -> Wave:
    found = ledger.wave(wave.day, wave.number)
    if found is None:
        raise AtomError(f"wave {wave.label} is not in the ledger of {ledger.portfolio}")
    return found
