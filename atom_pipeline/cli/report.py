"""``atom report``: a day's report as one page."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from atom_pipeline.cli.console import console, parse_day
from atom_pipeline.cli.opened import PortfolioOption, opened


def report(
    day: Annotated[date, typer.Argument(parser=parse_day, metavar="DAY", help="Working day, e.g. 2026-11-19.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file; default: its place.")] = None,
    portfolio: PortfolioOption = None,
) -> None:
    """Write the day's report, in Portuguese and without personal data: one page that opens in any browser."""
    from resources.report import write_report

    with opened(portfolio) as runtime:
        runtime.refuse_if_no_partition(day)
        written = write_report(runtime, day, out)
    for place, one in enumerate(written.findings[:5], 1):
        console.print(f"{place}. {one.title}: {one.numbers}", markup=False)
    console.print(f"{written.path.resolve().as_uri()}  ({written.size} bytes)", markup=False)
