"""``atom prune``: remove what is kept no longer, by the dates of portfolio.yaml."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console, print_table
from atom_pipeline.cli.opened import PortfolioOption, opened
from atom_pipeline.retention import Part

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

    from resources.ledger_retention import Pruning
    from resources.runtime import PortfolioRuntime

TITLES = {
    Part.STEPS: "tables that only their own day reads",
    Part.ARCHIVE: "days of collected files",
    Part.BASE: "tables of bases, and models",
    Part.WAVES: "rows and files of waves",
    Part.ERRORS: "error files in the drop",
    Part.RUNS: "Dagster's runs",
}


def prune(
    portfolio: PortfolioOption = None,
    dry_run: Annotated[bool, typer.Option(help="Show what would be removed; remove nothing.")] = False,
) -> None:
    """Remove what is older than `retention:` of portfolio.yaml says, but nothing that a day still needs.

    Refused while a day is made. Killed halfway, it is finished by the next one. The ledger keeps what was removed, and
    all its own rows.
    """
    from atom_pipeline.cli.running import dagster_instance
    from resources.retention import prune as remove
    from resources.retention import survey

    with opened(portfolio) as runtime, dagster_instance(runtime.settings, runtime.postgres_url) as instance:
        found = survey(runtime) if dry_run else remove(runtime)
        before = found.plan.before.get(Part.RUNS)
        runs = 0 if before is None else prune_runs(instance, runtime, before, dry_run=dry_run)
        _tell(runtime, found.plan.before, found.prunings(), runs, dry_run=dry_run)


def prune_runs(instance: DagsterInstance, runtime: PortfolioRuntime, before: date, *, dry_run: bool) -> int:
    """Remove Dagster's ended runs of the portfolio that were asked for before a day, their events and their logs."""
    runs = _old_runs(instance, runtime, before)
    for run in () if dry_run else runs:
        instance.compute_log_manager.delete_logs(prefix=[run.run_id])
        instance.delete_run(run.run_id)
    return len(runs)


def _old_runs(instance: DagsterInstance, runtime: PortfolioRuntime, before: date) -> list[DagsterRun]:
    from dagster import RunsFilter
    from dagster._core.storage.dagster_run import FINISHED_STATUSES

    limit = datetime.combine(before, time(), tzinfo=runtime.zone).astimezone(UTC)
    old = instance.get_runs(RunsFilter(statuses=list(FINISHED_STATUSES), created_before=limit))
    return [run for run in reversed(old) if _is_of(run, runtime.name)]


def _is_of(run: DagsterRun, portfolio: str) -> bool:
    keys = {*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())}
    return run.job_name.startswith(f"{portfolio}__") or any(key.path[0] == portfolio for key in keys)


def _tell(
    runtime: PortfolioRuntime, before: dict[Part, date], prunings: list[Pruning], runs: int, *, dry_run: bool
) -> None:
    counts = {one.part: (one.items, one.bytes) for one in prunings} | {Part.RUNS: (runs, 0)}
    print_table(
        f"{runtime.name}: {'would be removed' if dry_run else 'removed'}",
        ("what", "older than", "items", "MiB"),
        (
            (title, f"{before[part]:%Y-%m-%d}" if part in before else "kept", *_amount(*counts.get(part, (0, 0))))
            for part, title in TITLES.items()
        ),
    )
    late = runtime.ledger.pruned_before(Part.ARCHIVE)
    if late is not None:
        console.print(f"the days from {late:%Y-%m-%d} on can be made again")


def _amount(items: int, size: int) -> tuple[str, str]:
    return str(items), f"{size / 2**20:.1f}" if size else ""
