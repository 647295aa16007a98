"""What a kill leaves behind, and how the next `atom up` finds it: processes by their mark, runs, unfinished files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.dagster_run import DagsterRun

from atom_pipeline.cli.recovery import (
    ENDED,
    PROCESS_TAG,
    end_leftovers,
    end_orphaned_runs,
    remove_leftovers,
    this_process,
)
from atom_pipeline.cli.services import CHILD, MARK, Role, Service, Services, Stopping, installation, leftovers, mark
from atom_pipeline.errors import AtomError
from atom_pipeline.scratch import scratch_folder, scratch_folders, unfinished_name
from resources.settings import Settings, file_url

ROOT = Path(__file__).resolve().parents[2]
HOME = installation(Path("/nowhere"), "none")
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def a_dead_pid() -> int:
    with subprocess.Popen(["true"]) as gone:
        pass
    return gone.pid


# Processes.


def test_the_services_of_a_killed_atom_up_end_with_it() -> None:
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from atom_pipeline.cli.services import Role, Service, Services, Stopping
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        services = [Service("one", Role.DAEMON, sleep), Service("other", Role.UI, sleep)]
        with Stopping() as stopping:
            Services(services, sys.argv[1], cwd=Path("."), stopping=stopping).run(lambda: print("up", flush=True), {})
    """)
    supervisor = subprocess.Popen([sys.executable, "-c", program, HOME], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    with supervisor, supervisor.stdout as said:
        assert said.readline() == "up\n"
        children = psutil.Process(supervisor.pid).children()
        assert len(children) == 2
        supervisor.send_signal(signal.SIGKILL)
    assert psutil.wait_procs(children, timeout=20)[1] == []


def test_what_an_atom_up_left_is_found_by_its_mark_and_ended() -> None:
    of_a_dead_one = f"{HOME}:daemon:{a_dead_pid()}:1.00"
    others = (
        mark(HOME, Role.DAEMON),  # of this process, which lives
        f"{installation(Path('/elsewhere'), 'none')}:daemon:{a_dead_pid()}:1.00",
        f"{HOME}:ui:{a_dead_pid()}:1.00",
    )
    left, *kept = [subprocess.Popen(SLEEP, env={**os.environ, MARK: words}) for words in (of_a_dead_one, *others)]
    try:
        assert [process.pid for process in leftovers(HOME, Role.DAEMON)] == [left.pid]
        assert end_leftovers(HOME, Role.DAEMON) == 1
        assert not psutil.pid_exists(left.pid)
        assert all(process.poll() is None for process in kept)
        assert end_leftovers(HOME, Role.DAEMON) == 0
    finally:
        for process in (left, *kept):
            process.kill()
            process.wait()


def test_a_service_that_ends_by_itself_stops_the_others_and_is_named() -> None:
    services = [Service("daemon", Role.DAEMON, SLEEP), Service("webserver", Role.UI, [sys.executable, "-c", "pass"])]
    before = set(psutil.Process().children())
    with Stopping() as stopping, pytest.raises(AtomError, match="Dagster's webserver ended by itself"):
        Services(services, HOME, cwd=ROOT, stopping=stopping).run(lambda: None, {})
    assert set(psutil.Process().children()) == before


def arguments(process: psutil.Process) -> list[str]:
    """How a process was started; nothing of one that is gone."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_run_under_way_is_waited_for_until_a_person_asks_again() -> None:
    """The code server ends after its runs; here a process and its child stand in for the two."""
    program = textwrap.dedent("""
        import signal, subprocess, sys
        signal.signal(signal.SIGINT, lambda *_: None)
        run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "spawn_main"])
        print("begun", flush=True)
        sys.exit(run.wait() != -signal.SIGTERM)
    """)
    stopping = Stopping()
    begun: list[int] = []

    def has_begun() -> bool:
        mine = psutil.Process().children(recursive=True)  # and those of whatever else this process has started
        begun[:] = [child.pid for child in mine if arguments(child)[-1:] == ["spawn_main"]]
        return bool(begun)

    server = Service("code server", Role.DAEMON, [sys.executable, "-c", program], ready=has_begun, makes_runs=True)
    asked: list[float] = []

    def ask() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        asked.append(time.monotonic())
        if len(asked) == 1:
            signal.signal(signal.SIGALRM, lambda *_: ask())
            signal.setitimer(signal.ITIMER_REAL, 1.0)

    with stopping:
        Services([server], HOME, cwd=ROOT, stopping=stopping).run(lambda: None, {ask: 0.0})
    assert time.monotonic() - asked[1] < 10
    assert stopping.asked == 2
    assert not psutil.pid_exists(begun[0])


def test_a_child_whose_parent_is_gone_does_not_begin() -> None:
    done = subprocess.run([sys.executable, "-I", str(CHILD), str(a_dead_pid()), sys.executable, "-c", "print('begun')"],
                          capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")


# Runs and files.


@pytest.fixture
def instance(database_url: str, tmp_path: Path) -> Iterator[DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: '{database_url}'}}}}")
    with DagsterInstance.from_config(str(tmp_path)) as one:
        yield one


def test_orphaned_runs_are_marked_and_the_others_left(instance: DagsterInstance) -> None:
    here, before = this_process(), this_process().rpartition(":")[0] + ":1.00"
    elsewhere = "another-machine:1:1.00"
    location = GrpcServerCodeLocationOrigin(host="localhost", socket="code.sock", location_name="atom")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "repository"), "dia")

    def run(status: DagsterRunStatus, process: str | None = None) -> DagsterRun:
        @dg.job(name="dia")
        def job() -> None: ...

        tags = {PROCESS_TAG: process} if process else {}
        return instance.create_run_for_job(job, status=status, tags=tags, remote_job_origin=origin)

    orphans = [
        run(DagsterRunStatus.STARTING),
        run(DagsterRunStatus.STARTED),
        run(DagsterRunStatus.CANCELING),
        run(DagsterRunStatus.STARTED, before),  # another process has got its number since
        run(DagsterRunStatus.NOT_STARTED, f"{here.split(':')[0]}:{a_dead_pid()}:1.00"),
    ]
    others = [
        run(DagsterRunStatus.QUEUED),
        run(DagsterRunStatus.NOT_STARTED),
        run(DagsterRunStatus.SUCCESS),
        run(DagsterRunStatus.STARTED, here),
        run(DagsterRunStatus.STARTED, elsewhere),
    ]
    assert end_orphaned_runs(instance) == (5, 2)
    for orphan in orphans:
        found = instance.get_run_by_id(orphan.run_id)
        assert found is not None
        assert found.status is DagsterRunStatus.FAILURE
        messages = [record.message for record in instance.all_logs(orphan.run_id)]
        assert any(ENDED in message for message in messages)
    for other in others:
        found = instance.get_run_by_id(other.run_id)
        assert found is not None
        assert found.status is other.status
    assert end_orphaned_runs(instance) == (0, 2)


def test_what_killed_writers_left_is_removed_and_what_is_being_written_stays(tmp_path: Path) -> None:
    settings = Settings(tmp_path, file_url(tmp_path / "drop"), file_url(tmp_path / "manager"), tmp_path)
    lake = tmp_path / "lake"
    dead = unfinished_name().replace(f"~{os.getpid()}~", f"~{a_dead_pid()}~")
    abandoned = [lake / "contratos" / dead, lake / "consignado" / "contratos" / dead]  # of every portfolio
    long_ago = lake / "fichas" / unfinished_name().replace(os.uname().nodename, "another-machine")
    kept = [
        lake / "contratos" / "2026-11-09.parquet",
        lake / "contratos" / unfinished_name(),
        lake / "contratos" / long_ago.name,  # another machine's, of right now
    ]
    for path in (*abandoned, long_ago, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    os.utime(long_ago, (0, 0))
    with scratch_folder() as mine:
        dead_folder = mine.with_name(mine.name.replace(f"~{os.getpid()}~", f"~{a_dead_pid()}~"))
        dead_folder.mkdir()
        assert {mine, dead_folder} <= set(scratch_folders())
        assert remove_leftovers(settings) >= 4
        assert mine.exists()
        assert not dead_folder.exists()
    assert not mine.exists()
    assert not any(path.exists() for path in (*abandoned, long_ago))
    assert all(path.exists() for path in kept)
    assert remove_leftovers(settings) == 0
