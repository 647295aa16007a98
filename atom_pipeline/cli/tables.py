"""``atom show``: what the lake holds."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from atom_pipeline.cli.console import console, parse_day, print_table
from atom_pipeline.cli.opened import PortfolioOption, opened

SHOWN = 20


def show(
    table: Annotated[str, typer.Argument(help="Table of the lake, e.g. contratos or recebido/batimento.")],
    day: Annotated[date, typer.Argument(parser=parse_day, metavar="DAY", help="Working day.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Write all of it, unmasked, to this file.")] = None,
    portfolio: PortfolioOption = None,
) -> None:
    """Show a table of a day, masked; with --csv write it whole."""
    from atom_pipeline.masking import mask_frame
    from resources.lake import TableMissing
    from resources.retention import why_missing

    with opened(portfolio) as runtime:
        try:
            frame = runtime.lake.read(table, day)
        except TableMissing as missing:
            raise TableMissing(why_missing(runtime, table, day) or str(missing)) from None
        personal = runtime.personal_columns(day)
    if csv is not None:
        frame.write_csv(csv)
        console.print(f"{csv}: {frame.height} rows, unmasked: handle it as personal data")
        return
    shown = mask_frame(frame.head(SHOWN), personal)
    for first in range(0, len(shown.columns), 10):
        columns = shown.columns[first : first + 10]
        print_table(f"{table} {day:%Y-%m-%d}" if first == 0 else "", columns, shown.select(columns).iter_rows())
        if first + 10 >= 30:
            console.print(f"… and {len(shown.columns) - first - 10} more columns: use --csv")
            break
    console.print(f"{frame.height} rows, {len(frame.columns)} columns")
