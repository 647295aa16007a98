"""Removing what is kept no longer (``retention:`` of the portfolio): found, put on the record, removed.

What may go is decided in ``atom_pipeline.retention``; Dagster's runs are the command's. The record comes first, and
what is removed is looked for each time where it lies, so a removal that was killed is finished by the next one. Nothing
is removed while a day is made, and no day is made meanwhile.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from atom_pipeline.errors import AtomError
from atom_pipeline.retention import Facts, KeptWave, Part, Plan, plan_retention
from resources.lake import WAVES
from resources.ledger_records import RESETS, Output, WaveStatus
from resources.ledger_retention import Pruning
from resources.ledger_waves import Busy
from resources.runtime import PortfolioRuntime

PRUNING = "poda"  # the activity that a run of a day shares, and a pruning has alone
COLLECTING = "coleta"
# Of the lake what only its own day's run reads: these folders and tables. Other tables of one name are the base's.
STEP_FOLDERS = frozenset({"etapas", "recebido", "recusado", "sinalizado", "arquivos"})
STEP_TABLES = frozenset({"abertura", "manager_atual"})
ERRORS = "erros"  # kind of the error files in the ledger, and their folder in the drop
_WAIT_FOR_PRUNING = 60.0  # seconds; it takes a few

_DAY = r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_TABLE = re.compile(rf"(?P<table>[a-z][a-z0-9_]*|(?P<folder>[a-z][a-z0-9_]*)/[a-z][a-z0-9_]*)/{_DAY}\.parquet")
_WAVE = re.compile(rf"{WAVES}/{_DAY}_(?P<number>[0-9]+)(\.parquet|/[^/]+)")


@dataclass(frozen=True)
class Found:
    """One thing to remove: a path of the lake, or of the archive (a day's folder)."""

    part: Part
    day: date
    path: str
    bytes: int


@dataclass(frozen=True)
class Survey:
    """All that may be removed now, by what was decided."""

    plan: Plan
    found: tuple[Found, ...]
    errors: tuple[Output, ...]

    def prunings(self) -> list[Pruning]:
        """What would be recorded, of each part of which there is something."""
        out = []
        for part, before in self.plan.before.items():
            mine = [one for one in self.found if one.part is part]
            items = len(self.errors) if part is Part.ERRORS else len(mine)
            if items:
                out.append(Pruning(part, before, items, sum(one.bytes for one in mine)))
        return out


@contextmanager
def no_pruning(runtime: PortfolioRuntime) -> Iterator[None]:
    """Keep prunings out while the block lasts. Raises Busy when one does not end."""
    with runtime.ledger.shared(PRUNING, patience=_WAIT_FOR_PRUNING) as free:
        if not free:
            raise Busy(f"`atom prune` of {runtime.name} is at work: run the day again when it has ended")
        yield


@contextmanager
def pruning(runtime: PortfolioRuntime) -> Iterator[None]:
    """Be the only one at work. Raises Busy while a day is made or the drop is collected."""
    with runtime.ledger.exclusive(PRUNING) as no_day, runtime.ledger.exclusive(COLLECTING) as no_file:
        if not (no_day and no_file):
            at_work = "the drop is being collected" if no_day else "a day is being made, or another prune is at work"
            raise Busy(f"{at_work}: nothing is removed; try again when it has ended")
        yield


def survey(runtime: PortfolioRuntime) -> Survey:
    """Find what may be removed now. Raises FileServerError when the drop does not say what it has."""
    plan = plan_retention(runtime.portfolio.retention, _facts(runtime))
    return Survey(plan, (*_of_lake(runtime, plan), *_of_archive(runtime, plan)), tuple(_error_files(runtime, plan)))


def prune(runtime: PortfolioRuntime) -> Survey:
    """Remove what may go; returns what went. Raises Busy, or FileServerError when the drop fails."""
    with pruning(runtime):
        found = survey(runtime)
        runtime.ledger.record_prunings(found.prunings())
        for one in found.found:
            if one.part is Part.ARCHIVE:
                shutil.rmtree(runtime.archive / one.path)
            else:
                runtime.lake.remove(one.path)
        for output in found.errors:
            runtime.drop.withdraw(output.name, ERRORS, output.sha256)
            runtime.ledger.forget_output(output)
        return found


def refuse_if_pruned(runtime: PortfolioRuntime, day: date) -> None:
    """Raise AtomError for a day whose collected files were removed: it is never made again, and its base stands."""
    for one in runtime.ledger.prunings(Part.ARCHIVE):
        if day < one.before:
            raise AtomError(
                f"{day:%Y-%m-%d} cannot be made again: the files of the days before {one.before:%Y-%m-%d} were removed "
                f"on {one.at:%Y-%m-%d} by `atom prune` (`retention.archive` of portfolio.yaml); its base stands"
            )


def was_pruned(runtime: PortfolioRuntime, part: Part, day: date) -> bool:
    """Whether what is missing of a day was removed by age, and is not lost."""
    before = runtime.ledger.pruned_before(part)
    return before is not None and day < before


def why_missing(runtime: PortfolioRuntime, table: str, day: date) -> str | None:
    """Why the lake does not have a table that it had, in words; None when it was not removed by age."""
    part = Part.STEPS if table.partition("/")[0] in STEP_FOLDERS | STEP_TABLES else Part.BASE
    before = runtime.ledger.pruned_before(part)
    if before is None or day >= before:
        return None
    return f"the lake has no {table} of {day:%Y-%m-%d}: what was older than {before:%Y-%m-%d} is no longer kept"


def _facts(runtime: PortfolioRuntime) -> Facts:
    bases = runtime.ledger.bases()
    return Facts(
        today=runtime.now().date(),
        bases=[base.day for base in bases],
        stale=runtime.stale(),
        waves=[
            KeptWave(
                wave.day,
                wave.number,
                sent=wave.status is WaveStatus.SENT,
                planned=wave.status is WaveStatus.PLANNED,
                resets=wave.kind in RESETS,
            )
            for wave in runtime.ledger.waves()
        ],
        imported=next((base.day for base in bases if base.imported), None),
        floor=runtime.ledger.pruned_before(Part.ARCHIVE),
    )


def _of_lake(runtime: PortfolioRuntime, plan: Plan) -> Iterator[Found]:
    for path, size in runtime.lake.files():
        part = _part_of(path, plan)
        if part is not None:
            yield Found(part[0], part[1], path, size)


def _part_of(path: str, plan: Plan) -> tuple[Part, date] | None:
    """The part and day of a path of the lake that goes; None for what stays, or is not this portfolio's."""
    if wave := _WAVE.fullmatch(path):
        day = date.fromisoformat(wave["day"])
        return (Part.WAVES, day) if plan.removes_wave(day, int(wave["number"])) else None
    if not (table := _TABLE.fullmatch(path)):
        return None
    day = date.fromisoformat(table["day"])
    if table["folder"] in STEP_FOLDERS or table["table"] in STEP_TABLES:
        return (Part.STEPS, day) if plan.removes_steps(day) else None
    # Two names that are no step's: another portfolio's folder in a lake without a prefix.
    return (Part.BASE, day) if table["folder"] is None and plan.removes_base(day) else None


def _of_archive(runtime: PortfolioRuntime, plan: Plan) -> Iterator[Found]:
    """The days' folders of the archive. The folders of other portfolios, and of unfinished files, are no days."""
    if not runtime.archive.is_dir():
        return
    for folder in sorted(runtime.archive.iterdir()):
        if re.fullmatch(_DAY, folder.name) and plan.removes_archive(day := date.fromisoformat(folder.name)):
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            yield Found(Part.ARCHIVE, day, folder.name, size)


def _error_files(runtime: PortfolioRuntime, plan: Plan) -> Iterator[Output]:
    """Our error files, or what the ledger has of those that somebody removed; none that somebody changed."""
    if Part.ERRORS not in plan.before:
        return
    for base in runtime.ledger.bases(last=plan.before[Part.ERRORS]):
        for output in runtime.ledger.outputs(base.day, ERRORS) if plan.removes_errors(base.day) else ():
            if runtime.drop.sha256(output.name, ERRORS) in {None, output.sha256}:
                yield output
