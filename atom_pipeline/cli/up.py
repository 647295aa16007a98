"""``atom up``: PostgreSQL if it is needed, Dagster's UI and daemon, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console
from atom_pipeline.errors import AtomError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from resources.settings import Settings

ONE_INSTANCE = 0x41544F4D  # "ATOM": the advisory lock that one `atom up` holds on its database


def up(
    host: Annotated[
        str, typer.Option(help="Address of the UI. It has no login: keep it behind a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
) -> None:
    """Start PostgreSQL if needed, the Dagster UI and the daemon; Ctrl-C stops them."""
    from resources.instance import environment
    from resources.postgres import database, engine
    from resources.settings import PROJECT_ROOT, Settings

    settings = Settings.from_env()
    settings.prepare()
    _refuse_taken_port(host, port)
    # Started in the background of a script, a process ignores Ctrl-C, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with database(settings) as store, only_one(engine(store.url)):
        os.environ.update(environment(settings, store.url))
        ended, at_work = end_orphaned_runs()
        if ended:
            console.print(f"{ended} run(s) that an earlier stop left unfinished are marked as failed.")
        if not at_work:
            remove_leftovers(settings)
        console.print(f"home     {settings.home}")
        console.print(f"UI       http://{host}:{port}  (Ctrl-C stops it)")
        location = ["-w", str(PROJECT_ROOT / "workspace.yaml")]
        module = [sys.executable, "-m"]
        services = {
            "daemon": [*module, "dagster._daemon", "run", *location],
            "webserver": [*module, "dagster_webserver", *location, "-h", host, "-p", str(port)],
        }
        stopped = serve(services, cwd=PROJECT_ROOT)
    if stopped is not None:
        raise AtomError(f"Dagster's {stopped} ended by itself: its last lines above say why")


@contextmanager
def only_one(engine: Engine) -> Iterator[None]:
    """Hold the database's only place for an `atom up`. Raises AtomError when another one has it."""
    from sqlalchemy import text

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": ONE_INSTANCE}).scalar_one():
            raise AtomError("another `atom up` uses this database: stop it first, or set another ATOM_HOME")
        yield


def end_orphaned_runs() -> tuple[int, int]:
    """Mark as failed the runs that a kill left as started, and free their places in the queue.

    Called while no daemon runs and no other `atom up` can start: whatever is under way then has no process, but for
    the runs of a command line that is still at work. Returns how many were marked, and how many are at work.
    """
    from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

    unfinished = [
        DagsterRunStatus.STARTING,
        DagsterRunStatus.STARTED,
        DagsterRunStatus.CANCELING,
        DagsterRunStatus.NOT_STARTED,
    ]
    with DagsterInstance.get() as instance:
        found = instance.get_runs(RunsFilter(statuses=unfinished))
        runs = [run for run in found if not is_at_work(run.tags)]
        for run in runs:
            instance.report_run_failed(run, "The process of this run ended without saying so; run the day again.")
            if instance.event_log_storage.supports_global_concurrency_limits:
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        return len(runs), len(found) - len(runs)


def remove_leftovers(settings: Settings) -> int:
    """Remove what killed writers left in the lake, of every portfolio; returns how many. While no run is at work."""
    from resources.lake import Lake

    removed = Lake(settings.home).remove_leftovers()  # without a prefix: the folders of all portfolios lie in it
    if removed:
        console.print(f"{removed} unfinished file(s) that an earlier stop left in the lake are removed.")
    return removed


def is_at_work(tags: Mapping[str, str]) -> bool:
    """Whether the command that made a run still runs, on this machine or (as far as one can know) on another."""
    import psutil

    from atom_pipeline.cli.running import PROCESS_TAG

    host, _, pid = tags.get(PROCESS_TAG, "").rpartition(":")
    if not host:
        return False
    return host != socket.gethostname() or psutil.pid_exists(int(pid))


def serve(services: Mapping[str, list[str]], *, cwd: Path) -> str | None:
    """Run processes until a person stops them (None) or one ends by itself (its name); then stop the others."""
    children = {name: subprocess.Popen(command, cwd=cwd) for name, command in services.items()}
    try:
        while True:
            for name, child in children.items():
                if child.poll() is not None:
                    return name
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("stopping…")
        return None
    finally:
        for child in children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        for child in children.values():
            try:
                child.wait(timeout=30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise AtomError(f"port {port} is taken: stop what uses it, or choose another with --port") from None
