"""``atom alarms``: what is open, what was not told yet, and whether the channels work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from atom_pipeline.cli.console import console, print_table
from atom_pipeline.cli.opened import PortfolioOption, opened
from atom_pipeline.errors import AtomError

if TYPE_CHECKING:
    from resources.notify import Channel
    from resources.runtime import PortfolioRuntime


def alarms(
    test: Annotated[bool, typer.Option("--test", help="Send a test message to every configured channel.")] = False,
    portfolio: PortfolioOption = None,
) -> None:
    """List the open alarms, and whom they are told. Exit 0 only when none is open and everything was told.

    The sensor `<portfolio>__alarmes` raises them, every minute; this command only reads the record.
    """
    from resources.notify import configured

    with opened(portfolio) as runtime:
        channels, problems = configured(runtime.settings.alarms)
        well = try_channels(runtime, channels) if test else show_alarms(runtime, channels)
    for problem in problems:
        console.print(problem, markup=False, style="red")
    if problems or not well:
        raise typer.Exit(1)


def show_alarms(runtime: PortfolioRuntime, channels: list[Channel]) -> bool:
    """Print the open alarms, oldest first, and what channels were not told; whether there is neither."""
    found, backlogs = runtime.ledger.open_alarms(), runtime.ledger.backlogs()
    if not found:
        console.print("no alarm is open")
    else:
        print_table(
            "Open alarms",
            ("since", "day", "severity", "alarm"),
            (
                (f"{alarm.opened_at.astimezone(runtime.zone):%m-%d %H:%M}", alarm.day, alarm.severity, alarm.title)
                for alarm in found
            ),
        )
    for alarm in found:
        console.print(f"{alarm.title}\n  {alarm.message}", markup=False)
    names = ", ".join(channel.label for channel in channels)
    console.print(f"told by {names}" if names else "told to nobody: no channel is configured", markup=False)
    for backlog in backlogs:
        why = f"; {backlog.last_error}" if backlog.last_error else ""
        console.print(f"not told yet by {backlog.channel}: {backlog.count}{why}", markup=False, style="red")
    return not found and not backlogs


def try_channels(runtime: PortfolioRuntime, channels: list[Channel]) -> bool:
    """Send a test message to each channel; whether all took it. Raises AtomError when there is none."""
    from resources.notice import trial
    from resources.notify import NotDelivered

    if not channels:
        raise AtomError("no channel can be used: set ATOM_ALARM_WEBHOOK, or ATOM_SMTP_URL with ATOM_ALARM_FROM and _TO")
    well = True
    for channel in channels:
        try:
            channel.send(trial(uuid4().hex, portfolio=runtime.name, title=runtime.portfolio.title))
        except NotDelivered as error:
            well = False
            console.print(str(error), markup=False, style="red")
        else:
            console.print(f"{channel.label}: sent", markup=False)
    return well
