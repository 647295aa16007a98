"""The daemon's loop over sensors in processes of their own, killed (SIGKILL) at a step of a tick of their choosing.

The steps are those at which Dagster's own tests kill its daemon. The instance is the product's, in PostgreSQL, and so
are the definitions; the code location is in the process itself, so that a tick costs no server. Time between ticks
passes by Dagster's clock alone. ``Daemon`` is a process that has imported everything and does nothing but fork, as the
``Nursery`` of ``killing``; each child of it is a daemon that was started anew.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Before anything is evaluated, while it is, when the runs to ask for and the cursor are on the record, when the run
# is, and when it is in the queue.
STEPS = ("TICK_CREATED", "TICK_HELD", "RUN_IDS_RESERVED", "RUN_CREATED", "RUN_LAUNCHED")
MINUTE = 61  # seconds between two ticks of every sensor


@dataclass(frozen=True)
class Ran:
    """A run as the instance has it."""

    id: str
    job: str
    status: str
    day: str | None
    config: str


@dataclass
class Daemon:
    """What starts daemons, one after the other, over one installation."""

    process: subprocess.Popen[str]
    ticks: int = 0  # that there were of every sensor

    def live(self, ticks: int, *, then: str = "", die: tuple[str, str] | None = None) -> list[Ran]:
        """Start a daemon that ticks every sensor so many times, a minute between; returns all runs there are then.

        After that it does what waits in the queue (``work``) or takes it out, as a person does (``cancel``). Where
        ``die`` names a sensor and a step it ticks once more, and is killed there.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        wanted = {"from": self.ticks, "ticks": ticks, "then": then, "die": die}
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "what starts daemons has ended"
        answer = json.loads(line)
        told, status = answer["told"], answer["status"]
        assert isinstance(told, dict), told
        assert told["errors"] == [], told["errors"]
        assert status == (0 if die is None else signal.SIGKILL), f"it ended with {status} and not at {die}"
        self.ticks += ticks + (die is not None)
        return [Ran(**one) for one in told["runs"]]


@contextmanager
def daemons(environment: Mapping[str, str]) -> Iterator[Daemon]:
    """What starts daemons over an installation, for as long as the block lasts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATOM_", "DAGSTER_"))}
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    with subprocess.Popen(
        [sys.executable, __file__],
        cwd=ROOT,
        env=kept | dict(environment) | path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:  # its end closes the pipes, at which it ends
        yield Daemon(process)


# In the process that forks, and in the daemons.


def _daemon(wanted: Mapping[str, Any], began: float, tell: Callable[[Any], None]) -> None:
    """Be a daemon; see ``Daemon.live``."""
    import dagster as dg
    from dagster._core.test_utils import freeze_time
    from dagster._daemon.sensor import execute_sensor_iteration

    logger, ticks = logging.getLogger("daemon"), wanted["from"]
    with dg.DagsterInstance.get() as instance, _workspace(instance) as workspace:
        if ticks == 0:
            _leave_only_two_sensors(instance, workspace)

        def tick(crash: Mapping[str, Mapping[str, int]]) -> list[str]:
            nonlocal ticks
            with freeze_time(began + MINUTE * ticks):
                found = list(execute_sensor_iteration(workspace, logger, None, None, debug_crash_flags=crash))
            ticks += 1
            return [str(error) for error in found if error is not None]

        errors = [error for _ in range(wanted["ticks"]) for error in tick({})]
        tell({"errors": errors, "runs": list(_runs(instance))})
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))[::-1]:
            if wanted["then"] == "cancel":
                instance.report_run_canceled(run)
            elif wanted["then"] == "work":
                _do(instance, run.run_id)
        if wanted["die"] is not None:
            sensor, step = wanted["die"]
            tick({sensor: {step: signal.SIGKILL}})


@contextmanager
def _workspace(instance: Any) -> Iterator[Any]:
    from dagster._core.remote_origin import InProcessCodeLocationOrigin
    from dagster._core.test_utils import create_test_daemon_workspace_context
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
    from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget

    target = LoadableTargetOrigin(module_name="atom_pipeline.definitions", attribute="defs")
    origin = InProcessCodeLocationOrigin(target, location_name="atom")
    with create_test_daemon_workspace_context(InProcessWorkspaceLoadTarget(origin), instance) as workspace:
        yield workspace


def _leave_only_two_sensors(instance: Any, workspace: Any) -> None:
    """Stop the sensors that start no run here."""
    [entry] = workspace.create_request_context().get_code_location_entries().values()
    for repository in entry.code_location.get_repositories().values():
        for sensor in repository.get_sensors():
            if not sensor.name.endswith(("__drop", "__dias")):
                instance.stop_sensor(sensor.get_remote_origin_id(), sensor.selector_id, sensor)


def _do(instance: Any, run_id: str) -> None:
    """What the queue and the launcher do with a run, and the run itself, in this process."""
    from dagster import DagsterEvent, DagsterEventType
    from dagster._core.execution.api import execute_run

    run = instance.get_run_by_id(run_id)
    started = DagsterEvent(event_type_value=DagsterEventType.PIPELINE_STARTING.value, job_name=run.job_name)
    instance.report_dagster_event(started, run_id=run_id)
    execute_run(_job(run.job_name), instance.get_run_by_id(run_id), instance)


def _job(name: str) -> Any:
    from dagster._core.definitions.reconstruct import ReconstructableRepository

    return ReconstructableRepository.for_module("atom_pipeline.definitions", "defs").get_reconstructable_job(name)


def _runs(instance: Any) -> Iterator[dict[str, Any]]:
    for run in instance.get_runs()[::-1]:
        yield {
            "id": run.run_id,
            "job": run.job_name,
            "status": run.status.value,
            "day": run.tags.get("dagster/partition"),
            "config": json.dumps(run.run_config, ensure_ascii=False),
        }


def _main() -> None:
    warnings.simplefilter("ignore")
    os.fsync = lambda _descriptor: None  # a kill is no power cut
    began = time.time()
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # Once here, so that no daemon loads modules, reads documents or describes its jobs. Nothing that is computed:
    # Polars' own threads would not be there in a child.
    import dagster._daemon.sensor  # noqa: F401
    import pandera.polars  # noqa: F401
    from dagster._core.test_utils import instance_for_test

    with instance_for_test() as nobody, _workspace(nobody):
        pass
    for line in sys.stdin:
        told_here, told_there = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(told_here)
            status = 0

            def tell(what: Any, there: int = told_there) -> None:
                os.write(there, json.dumps(what).encode())

            try:
                _daemon(json.loads(line), began, tell)
            except BaseException:
                tell(traceback.format_exc())
                status = 1
            os._exit(status)
        os.close(told_there)
        with os.fdopen(told_here) as answer:
            told = answer.read()
        _, status = os.waitpid(child, 0)
        os.write(answers, (json.dumps({"status": status, "told": json.loads(told)}) + "\n").encode())


if __name__ == "__main__":
    _main()
