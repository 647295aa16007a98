"""What a kill left behind, put right before the daemon starts: processes, runs, half-written files.

Called by whoever holds the database's only place for a daemon (``resources.place``). What is not its own is left alone:
a run of a command line that is still at work, and what it is writing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from atom_pipeline.cli.services import Role, end, is_running, leftovers
from atom_pipeline.scratch import remove_abandoned, scratch_folders

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from resources.settings import Settings

PROCESS_TAG = ".dagster/atom_process"  # which the UI does not show
ENDED = "O processo desta execução terminou sem avisar (queda ou parada forçada). Rode o dia de novo."


@dataclass(frozen=True)
class Recovered:
    """What was put right. ``at_work`` are runs of command lines, which go on."""

    processes: int
    runs: int
    at_work: int
    files: int

    def lines(self) -> list[str]:
        """What to tell, in words; empty when nothing was left."""
        said = {
            f"{self.processes} process(es) that an earlier stop left are ended": self.processes,
            f"{self.runs} run(s) that an earlier stop left unfinished are marked as failed": self.runs,
            f"{self.at_work} run(s) of a command line are at work and go on": self.at_work,
            f"{self.files} unfinished file(s) that an earlier stop left are removed": self.files,
        }
        return [line for line, count in said.items() if count]


def end_leftovers(installed: str, role: Role) -> int:
    """End the processes that a killed `atom up` left; returns how many."""
    found = leftovers(installed, role)
    end(found)
    return len(found)


def recover(settings: Settings, installed: str) -> Recovered:
    """Put right all that an earlier stop left. Dagster's home and storage must be in the environment."""
    from dagster import DagsterInstance

    processes = end_leftovers(installed, Role.DAEMON)
    with DagsterInstance.get() as instance:
        bring_up_to_date(instance)
        runs, at_work = end_orphaned_runs(instance)
    return Recovered(processes, runs, at_work, remove_leftovers(settings))


def bring_up_to_date(instance: DagsterInstance) -> None:
    """Apply Dagster's own migrations, which a new version may bring."""
    storages = (instance.run_storage, instance.event_log_storage)
    behind = [storage.alembic_version() for storage in storages]
    if any(version is not None and version[0] != version[1] for version in behind):
        instance.upgrade()


def end_orphaned_runs(instance: DagsterInstance) -> tuple[int, int]:
    """Mark as failed the runs that a kill left as started, and free their places in the queue.

    While no daemon runs, whatever is under way has no process, but for the runs of a command line that is still at
    work. A run that waits in the queue waits on; one that a sensor or a range asked for and was not queued yet is
    queued by Dagster's daemon. Returns how many were marked, and how many are at work.
    """
    from dagster import DagsterRunStatus, RunsFilter

    under_way = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    found = instance.get_runs(RunsFilter(statuses=under_way))
    created = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.NOT_STARTED]))
    found = [*found, *(run for run in created if PROCESS_TAG in run.tags)]
    orphans = [run for run in found if not is_at_work(run.tags)]
    for run in orphans:
        instance.report_run_failed(run, ENDED)
        if instance.event_log_storage.supports_global_concurrency_limits:
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return len(orphans), len(found) - len(orphans)


def remove_leftovers(settings: Settings) -> int:
    """Remove what killed writers left in the lake, of every portfolio, and beside it; returns how many."""
    from resources.lake import Lake

    lake = Lake(settings.home)  # without a prefix: the folders of all portfolios lie in it
    return lake.remove_leftovers() + remove_abandoned(scratch_folders())


def this_process() -> str:
    """Which process makes a run, so that a run under way is not taken for one that was killed."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def is_at_work(tags: Mapping[str, str]) -> bool:
    """Whether the command that made a run still runs, on this machine or (as far as one can know) on another."""
    parts = tags.get(PROCESS_TAG, "").split(":")
    if len(parts) != 3:
        return False
    host, pid, began = parts
    return host != socket.gethostname() or is_running(int(pid), float(began))
