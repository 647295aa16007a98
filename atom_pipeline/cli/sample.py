"""``atom sample``: days of invented files that look like the bank's."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from atom_pipeline.cli.console import console, parse_day


def sample(
    contracts: Annotated[int, typer.Option(min=1, help="Contracts of the portfolio.")] = 1000,
    days: Annotated[int, typer.Option(min=1, help="Working days.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    drop: Annotated[str | None, typer.Option(help="Folder or file:// URL; default: the drop.")] = None,
    first_day: Annotated[date | None, typer.Option(parser=parse_day, help="First working day.")] = None,
    portfolio: Annotated[str | None, typer.Option(help="Needed when there are several.")] = None,
) -> None:
    """Write sample files: synthetic people with valid check digits, every event of the base in a sensible share."""
    from atom_pipeline.errors import AtomError
    from atom_pipeline.layout.catalogue import load_catalogues
    from atom_pipeline.sample import generate
    from resources.settings import Settings

    settings = Settings.from_env()
    settings.prepare()
    url = drop or settings.drop_url
    if "://" in url and not url.startswith("file://"):
        raise AtomError("samples are written to a folder: give a path or a file:// URL, then upload them")
    catalogues = {one.portfolio.portfolio: one for one in load_catalogues(settings.layouts)}
    if portfolio is None and len(catalogues) == 1:
        portfolio = next(iter(catalogues))
    if portfolio not in catalogues:
        raise AtomError(f"say which portfolio with --portfolio: {', '.join(sorted(catalogues))}")
    target = Path(url.removeprefix("file://"))
    target.mkdir(parents=True, exist_ok=True)
    report = generate(
        catalogues[portfolio], contracts=contracts, days=days, seed=seed, target=target, first_day=first_day
    )
    console.print(f"{len(report.files)} files of {len(report.days)} days in {target}")
    for day in report.days:
        console.print(f"  {day:%Y-%m-%d}")
