"""``atom diff``: what changed between two days, in the base and in the mailing."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console, parse_day, print_table
from atom_pipeline.cli.opened import PortfolioOption, opened

if TYPE_CHECKING:
    import polars as pl

    from atom_pipeline.why.differences import Compared

COLUMNS_SHOWN = 15


def diff(
    first: Annotated[date, typer.Argument(parser=parse_day, metavar="DAY1", help="The earlier day.")],
    last: Annotated[date, typer.Argument(parser=parse_day, metavar="DAY2", help="The later day.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Write every contract that differs to this file.")] = None,
    portfolio: PortfolioOption = None,
) -> None:
    """Show what changed in the base and in the mailing from one day to another, by reason, with a few contracts each.

    Contracts and names of columns, no values: there is no personal data in it, nor in the file of --csv.
    """
    from resources.diff import compare_days

    with opened(portfolio) as runtime:
        compared = compare_days(runtime, first, last)
    found = compared.found
    for note in compared.notes:
        console.print(note, markup=False, style="red", soft_wrap=True)
    _print_counts(f"The base, {first} to {last}", "contracts", found.base)
    _print("Entered, left, or in another situacao", ("before", "after", "movimento", "reason"), found.situacoes)
    _print_columns("Columns of contratos that changed", found.base)
    if found.mailing is not None:
        _print_counts(f"The mailing, {first} to {last}", "rows", found.mailing)
        _print("Came into the mailing, or left it", ("change", "reason"), found.moves)
        _print_columns("Columns of the mailing that changed", found.mailing)
    if csv is not None:
        found.rows.write_csv(csv)
        console.print(f"{csv}: {found.rows.height} rows", markup=False)


def _print_counts(title: str, what: str, compared: Compared) -> None:
    from atom_pipeline.why.differences import CHANGED, ENTERED, LEFT, SAME

    columns = ("before", "entered", "left", "after", "other content", "the same")
    counts = [compared.count(change) for change in (ENTERED, LEFT, CHANGED, SAME)]
    print_table(f"{title}: {what}", columns, [(compared.before, counts[0], counts[1], compared.after, *counts[2:])])


def _print(title: str, by: tuple[str, ...], counted: pl.DataFrame) -> None:
    if counted.height:
        columns = ("contracts", *by, "examples")
        print_table(title, columns, counted.select(columns).iter_rows())


def _print_columns(title: str, compared: Compared) -> None:
    columns = compared.by_column()
    if columns.height:
        names = ("contracts", "column", "examples")
        print_table(title, names, columns.select(names).head(COLUMNS_SHOWN).iter_rows())
        if columns.height > COLUMNS_SHOWN:
            console.print(f"and {columns.height - COLUMNS_SHOWN} more columns: use --csv")
