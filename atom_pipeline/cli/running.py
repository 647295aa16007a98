"""Days made from the command line: collect, decide which days to make, and run Dagster's own job for each, in order.

The same job as in the UI, on the same instance, so that every run of the command line is seen there too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from atom_pipeline.cli.console import console
from atom_pipeline.cli.recovery import PROCESS_TAG, this_process
from atom_pipeline.errors import AtomError

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions, ExecuteInProcessResult, JobDefinition
    from dagster_shared.error import SerializableErrorInfo

    from resources.collect import CollectReport
    from resources.runtime import PortfolioRuntime
    from resources.settings import Settings

# The run's events are in the UI; the terminal has the summary.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class DayRun:
    """One day that was run: whether the run succeeded and, when it did not, what stopped it."""

    day: date
    run_id: str
    success: bool
    failures: tuple[str, ...]
    failed_checks: tuple[str, ...]


@contextmanager
def dagster_instance(settings: Settings, postgres_url: str) -> Iterator[DagsterInstance]:
    """The Dagster instance of a home: the one that `atom up` serves. Its noise stays out of the terminal."""
    from dagster import DagsterInstance

    from resources.instance import environment

    os.environ.update(environment(settings, postgres_url))
    with DagsterInstance.get() as instance:
        yield instance


def collect_drop(runtime: PortfolioRuntime, *, pause: float = 1.0) -> CollectReport:
    """Collect what is in the drop. Raises AtomError when another process is doing it."""
    from resources.collect import collect

    report = collect(
        runtime.drop,
        runtime.catalogue,
        runtime.ledger,
        runtime.archive,
        runtime.calendar,
        pause=pause,
        others=runtime.others,
    )
    if report.skipped:
        raise AtomError("another process is collecting from the drop; try again in a moment")
    return report


def print_collected(report: CollectReport) -> None:
    """What a collection did, in a few lines."""
    fresh = len(report.collected) + len(report.replaced)
    console.print(
        f"collected {fresh} file(s), {len(report.replaced)} of them a new version; "
        f"{len(report.duplicates)} duplicate(s), {len(report.same)} known already"
    )
    for file in report.corrected:
        console.print(f"  corrected by its error file, a new version: {file.name}, day {file.day}", markup=False)
    for name in report.unknown:
        console.print(f"  no layout knows this name, left where it is: {name}", markup=False)
    for name in report.unstable:
        console.print(f"  still growing, left for the next time: {name}", markup=False)
    for error in report.errors:
        console.print(f"  not collected: {error.name}: {error.message}", markup=False, style="red")


def run_days(
    runtime: PortfolioRuntime, definitions: Definitions, instance: DagsterInstance, days: Sequence[date]
) -> Iterator[DayRun]:
    """Run the day's job for each day, in order; stops after a day whose base was not made, or that could not start."""
    from assets.build import job_name

    job = definitions.resolve_job_def(job_name(runtime.name))
    for day in days:
        result = job.execute_in_process(
            partition_key=f"{day:%Y-%m-%d}",
            instance=instance,
            raise_on_error=False,
            run_config=QUIET,
            tags={PROCESS_TAG: this_process()},
        )
        yield DayRun(
            day,
            result.run_id,
            result.success,
            tuple(_failures(result)),
            tuple(
                f"{evaluation.asset_key.path[-1]}.{evaluation.check_name}: {evaluation.description or ''}".strip()
                for evaluation in result.get_asset_check_evaluations()
                if not evaluation.passed and evaluation.severity.value == "ERROR"
            ),
        )
        base = runtime.ledger.base(day)
        if base is None or day in runtime.stale() or not result.filter_events(lambda event: event.is_step_start):
            return


def run_job(job: JobDefinition, instance: DagsterInstance, day: date, config: Mapping[str, object]) -> list[str]:
    """Run a job for a day with this configuration of its ops; returns what failed, in words."""
    result = job.execute_in_process(
        partition_key=f"{day:%Y-%m-%d}",
        instance=instance,
        raise_on_error=False,
        run_config={**QUIET, "ops": dict(config)},
        tags={PROCESS_TAG: this_process()},
    )
    return list(_failures(result))


def _failures(result: ExecuteInProcessResult) -> Iterator[str]:
    """Why steps failed, in the words of the error that stopped each; checks that failed are told apart from it.

    A run that could not start, e.g. while another makes the day, has no step to name.
    """
    for event in result.filter_events(lambda event: event.is_step_failure):
        data = event.step_failure_data
        error = _first(data.error)
        if error is not None and error.cls_name == "DagsterAssetCheckFailedError":
            continue
        words = data.user_failure_data.description if data.user_failure_data else error and error.message
        yield f"{event.step_key}: {(words or '').strip()}"
    if not result.filter_events(lambda event: event.is_step_start):
        for event in result.filter_events(lambda event: event.is_run_failure):
            error = _first(event.job_failure_data.error)
            if error is not None:
                yield error.message.rpartition(f"{error.cls_name}: ")[2].strip()


def _first(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """The error that another one was caused by, at the bottom."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error
