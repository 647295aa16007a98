"""How the command line writes: one console, tables in one style, days as ISO dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import typer
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)


def parse_day(text: str) -> date:
    """A day as 2026-11-20. Raises typer.BadParameter."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write it as 2026-11-19") from None


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; a column whose first value is a number is aligned to the right."""
    cells = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", header_style="", pad_edge=False)
    for place, name in enumerate(columns):
        numeric = bool(cells) and isinstance(cells[0][place], int | float)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(cell(value) for value in row))
    console.print(table)


def cell(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", ".")
    return str(value).replace("[", "\\[")
