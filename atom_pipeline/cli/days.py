"""``atom run``, ``atom day``, ``atom decide``: make days, look at one, decide about one."""

from __future__ import annotations

import getpass
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console, parse_day, print_table
from atom_pipeline.cli.opened import PortfolioOption, opened
from atom_pipeline.day import Decision, Status
from atom_pipeline.errors import AtomError
from atom_pipeline.garbage import nothing_is_garbage

if TYPE_CHECKING:
    from resources.runtime import PortfolioRuntime

DayArgument = Annotated[date, typer.Argument(parser=parse_day, metavar="DAY", help="Working day, e.g. 2026-11-19.")]


def run(
    day: DayArgument,
    first: Annotated[
        date | None,
        typer.Option("--from", parser=parse_day, metavar="DAY0", help="Make every day with files from here on again."),
    ] = None,
    portfolio: PortfolioOption = None,
    dry_run: Annotated[bool, typer.Option(help="Show the wave that would go now; send and make nothing.")] = False,
) -> None:
    """Collect the drop and make the day, after every earlier day that needs it, in order.

    Exit 0 only when all is well: every file loaded, nothing held, every day made.
    """
    from resources.retention import refuse_if_pruned

    with opened(portfolio) as runtime:
        runtime.refuse_if_no_partition(day)
        if first is not None and first > day:
            raise AtomError(f"--from {first:%Y-%m-%d} is after the day {day:%Y-%m-%d}")
        refuse_if_pruned(runtime, first or day)
        if dry_run:
            show_wave(runtime, day)
            return
        problems = collect_and_run(runtime, day, first=first)
    if problems:
        raise typer.Exit(1)


def collect_and_run(runtime: PortfolioRuntime, day: date, *, first: date | None = None) -> int:
    """Collect, then make the day and those that must be made with it; returns how many things need a person."""
    with nothing_is_garbage():
        from assets.build import build_defs
    from atom_pipeline.cli.running import collect_drop, dagster_instance, print_collected, run_days
    from atom_pipeline.day import days_to_run
    from resources.ledger_records import WaveStatus

    report = collect_drop(runtime)
    print_collected(report)
    problems = len(report.errors) + len(report.unstable) + print_behind_import(runtime)
    if not runtime.ledger.files(day) and runtime.ledger.newest_base_before(day) is None:
        raise AtomError(f"no file of {day:%Y-%m-%d} has arrived and there is no base before it: nothing to make")
    bases = [base.day for base in runtime.ledger.bases()]
    days = days_to_run(day, stale=runtime.stale(), bases=bases, first=first)
    with dagster_instance(runtime.settings, runtime.postgres_url) as instance:
        with nothing_is_garbage():
            definitions = build_defs(runtime.settings, clock=runtime.clock)
        done = []
        known = {wave.label for wave in runtime.ledger.waves(status=WaveStatus.SENT)}
        for made in run_days(runtime, definitions, instance, days):
            done.append(made.day)
            problems += print_day_run(runtime, made.day, made.failures, made.failed_checks, known)
    left = [other for other in days if other not in done]
    if left:
        console.print(f"not run, since a day before has no good base: {', '.join(f'{d:%Y-%m-%d}' for d in left)}")
    return problems + len(left)


def print_behind_import(runtime: PortfolioRuntime) -> int:
    """Tell of files that no day will take, since a base stands for their day; returns how many."""
    behind = runtime.behind_import()
    for day, name in behind:
        console.print(f"  of {day:%Y-%m-%d}, for which the imported base stands, and not read: {name}", markup=False)
    too_late = runtime.ledger.behind_retention()
    for day, name in too_late:
        console.print(f"  of {day:%Y-%m-%d}, which can no longer be made, and not read: {name}", markup=False)
    return len(behind) + len(too_late)


def print_day_run(
    runtime: PortfolioRuntime, day: date, failures: tuple[str, ...], checks: tuple[str, ...], known: set[str]
) -> int:
    """One day's result in a few lines; returns how many things need a person. ``known``: waves sent before."""
    from resources.panel import day_panel

    panel = day_panel(runtime, day)
    state = "complete" if panel.complete else "provisional" if panel.made else "NOT MADE"
    fresh = [wave for wave in panel.waves if wave.label not in known and wave.status == "sent"]
    sent = ", ".join(f"{wave.kind} {wave.rows}" for wave in fresh) or "nothing new to send"
    console.print(f"[bold]{day:%Y-%m-%d}[/bold] {state}: {panel.open_base} open contracts; {sent}")
    for line in (*failures, *checks):
        console.print(f"  {line}", markup=False, style="red")
    for line in panel.held:
        console.print(f"  HELD {line}", markup=False, style="red")
    for wave in fresh:
        if wave.note:
            console.print(f"  {wave.kind} {wave.note}", markup=False, style="red")
    for line in panel.waits:
        console.print(f"  waits for {line}", markup=False)
    needed = [item for item in panel.expected if item.required and item.status in (Status.LATE, Status.REFUSED)]
    return len(failures) + len(checks) + len(panel.held) + len(needed)


def day(day: DayArgument, portfolio: PortfolioOption = None) -> None:
    """Show the day's panel: expected, arrived, waiting, refused, held, sent."""
    from resources.panel import day_panel

    with opened(portfolio) as runtime:
        runtime.refuse_if_no_partition(day)
        panel = day_panel(runtime, day)
    base = "not made yet" if not panel.made else "complete" if panel.complete else "provisional"
    again = "; its inputs changed since: run it again" if panel.stale and panel.made else ""
    gone = "" if panel.kept or not panel.made else "; its tables are no longer kept"
    console.print(f"[bold]{panel.portfolio} {day:%Y-%m-%d}[/bold]  base {base}{again}{gone}")
    if panel.previous_day:
        console.print(f"starts from the base of {panel.previous_day:%Y-%m-%d}")
    print_table(
        "Expected",
        ("file", "status", "due", "for the carga", "files"),
        (
            (
                item.name,
                item.status.value,
                f"{item.due:%m-%d %H:%M}" if item.due else "",
                item.required,
                ", ".join(item.files),
            )
            for item in panel.expected
        ),
    )
    print_table(
        "Arrived",
        ("layout", "file", "version", "status", "read", "accepted", "refused", "set aside"),
        ((f.layout, f.name, f.version, f.status, f.read, f.accepted, f.refused, f.set_aside) for f in panel.files),
    )
    _list("Refused files", [f"{f.name}: {f.reason}" for f in panel.files if f.reason])
    _list("Waits for", panel.waits)
    _list("Held", panel.held)
    _list("Decisions", panel.decisions)
    _list("Error files", panel.error_files)
    _list("Open alarms", panel.alarms)
    if panel.movimentos:
        print_table("The base", ("movimento", "contracts"), sorted(panel.movimentos.items()))
        print_table("", ("situacao", "contracts"), sorted(panel.situacoes.items()))
    print_table(
        "Waves",
        ("wave", "kind", "status", "rows", "files", "note"),
        ((wave.label, wave.kind, wave.status, wave.rows, ", ".join(wave.files), wave.note) for wave in panel.waves),
    )
    _list("Owed to Manager", [f"{operation}: {rows} rows" for operation, rows in sorted(panel.owed.items())])
    carga_went = any(wave.kind == "carga" and wave.status == "sent" for wave in panel.waves)
    _list("Sent without" if carga_went else "Not sent because", panel.not_sent)


def decide(
    day: DayArgument,
    what: Annotated[Decision, typer.Argument(help="The decision.")],
    why: Annotated[str, typer.Option("--why", help="The reason, kept on the record.")],
    author: Annotated[str | None, typer.Option("--author", help="Who decides; default: the system's user.")] = None,
    portfolio: PortfolioOption = None,
) -> None:
    """Put an operator's decision about a day on the record. The next run of the day obeys it, and so does a replay."""
    with opened(portfolio) as runtime:
        runtime.refuse_if_no_partition(day)
        decided = runtime.ledger.decide(day, what.value, why=why, author=author or getpass.getuser())
    console.print(f"{decided.what} for {day:%Y-%m-%d}, by {decided.author}: run the day again to apply it")


def show_wave(runtime: PortfolioRuntime, day: date) -> None:
    """What publishing would send for a day now."""
    from assets.publish import preview

    if day in runtime.stale():
        console.print("the day's files or decisions changed since it was made: run it to see what they give")
    for outcome in preview(runtime, day):
        reasons = "; ".join(outcome.sending.reasons)
        console.print(f"{outcome.what}: {outcome.rows.height} rows{f' ({reasons})' if reasons else ''}", markup=False)
        if outcome.rows.height:
            print_table("", ("operacao", "contracts"), sorted(outcome.by_operation.items()))


def _list(title: str, lines: list[str]) -> None:
    if lines:
        console.print(f"[bold]{title}[/bold]")
        for line in lines:
            console.print(f"  {line}", markup=False)
