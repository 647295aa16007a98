"""``atom verify``: whether lake and archive hold what the ledger says they do."""

from __future__ import annotations

import typer

from atom_pipeline.cli.console import console
from atom_pipeline.cli.opened import PortfolioOption, opened


def verify(portfolio: PortfolioOption = None) -> None:
    """Compare every collected file, table of a base and wave with the hash that the ledger recorded.

    Read only. Exit 0 only when all is there and as it was. A table that was being made again while a backup was taken
    differs: run its day again.
    """
    from resources.verify import verify as look

    with opened(portfolio) as runtime:
        count, faults = 0, 0
        for one in look(runtime):
            count += 1
            if one.fault is not None:
                faults += 1
                console.print(f"{one.what}: {one.fault}", markup=False, style="red", soft_wrap=True)
        console.print(f"{count} files compared, {faults} not as the ledger recorded them")
    if faults:
        raise typer.Exit(1)
