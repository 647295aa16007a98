"""``atom base …``: start the base from what the agency has today (go-live)."""

from __future__ import annotations

import getpass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console, parse_day, print_table
from atom_pipeline.cli.opened import PortfolioOption, opened
from atom_pipeline.errors import AtomError

if TYPE_CHECKING:
    from resources.base_file import Preview


def import_base(
    file: Annotated[
        Path,
        typer.Argument(help="A row per contract; `atom base template` writes its titles.", exists=True, dir_okay=False),
    ],
    day: Annotated[
        date,
        typer.Option("--day", parser=parse_day, metavar="D", help="The working day at whose end it is so."),
    ],
    accept: Annotated[bool, typer.Option("--accept", help="Make it the base; without it, only show.")] = False,
    why: Annotated[str, typer.Option("--why", help="The reason, kept on the record.")] = "",
    author: Annotated[str | None, typer.Option("--author", help="Who decides; default: the system's user.")] = None,
    allow_refused: Annotated[
        bool, typer.Option("--allow-refused", help="Accept without the contracts of the refused rows.")
    ] = False,
    allow_unread: Annotated[
        bool, typer.Option("--allow-unread", help="Accept though files of that day or before are there, and not read.")
    ] = False,
    portfolio: PortfolioOption = None,
) -> None:
    """Start the base from what the agency has today: contracts, blocks, acordos, phones, what Manager holds.

    Shows what the file would make, and makes it only with --accept. Once, before the first day. Exit 1 with refused
    rows, unless --allow-refused, or with files of that day or before it that no base was made from, unless
    --allow-unread.
    """
    from resources.base_file import preview, read_import
    from resources.base_import import accept_import

    with opened(portfolio) as runtime:
        candidate = read_import(runtime, file, day)
        shown = preview(runtime, candidate)
        _show(file.name, day, shown)
        if accept:
            base = accept_import(
                runtime,
                candidate,
                why=why,
                author=author or getpass.getuser(),
                allow_refused=allow_refused,
                allow_unread=allow_unread,
            )
            console.print(f"[bold]accepted[/bold]: the day after {base.day:%Y-%m-%d} starts from this base")
        elif candidate.refused.height and not allow_refused:
            console.print("nothing was written: correct the refused rows, or leave them out with --allow-refused")
            raise typer.Exit(1)
        elif shown.unread and not allow_unread:
            console.print(
                "nothing was written: import the base of a day before those files, or, when the agency's file has "
                "what they say, leave them unread with --allow-unread"
            )
            raise typer.Exit(1)
        else:
            console.print("nothing was written: accept it with --accept --why TEXT", markup=False)


def template(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there.")],
    day: Annotated[date | None, typer.Option("--day", parser=parse_day, metavar="D", help="Default: today.")] = None,
    portfolio: PortfolioOption = None,
) -> None:
    """Write the line of titles that `atom base import` reads; `atom layout show base_inicial` says what each one is."""
    from atom_pipeline.layout.catalogue import load_catalogues
    from resources.base_file import write_template
    from resources.settings import Settings

    catalogues = load_catalogues(Settings.from_env().layouts)
    found = [one for one in catalogues if portfolio in (None, one.portfolio.portfolio)]
    if len(found) != 1:
        names = ", ".join(sorted(one.portfolio.portfolio for one in catalogues))
        raise AtomError(f"say which portfolio with --portfolio: {names}")
    if file.exists():
        raise AtomError(f"{file} is there already: give another name")
    columns = write_template(found[0], file, day or date.today())
    console.print(f"{file}: {columns} columns, one row per contract", markup=False)


def _show(name: str, day: date, shown: Preview) -> None:
    console.print(f"{name} as the base of {day:%Y-%m-%d}", style="bold", markup=False)
    print_table(
        "Rows",
        ("", "rows"),
        [
            ("read", shown.rows_read),
            ("accepted", shown.rows_accepted),
            ("refused", shown.rows_refused),
            ("clients", shown.clients),
        ],
    )
    print_table("The base", ("situacao", "contracts"), shown.situacoes.items())
    if shown.blocks.height:
        print_table(
            "Blocks in their window", ("blocked on", "released on", "situacao", "contracts"), shown.blocks.iter_rows()
        )
    print_table(
        "Phones and acordos",
        ("", "number"),
        [
            *((f"phones {origin}", count) for origin, count in shown.phones.items()),
            ("phones left out", shown.phones_left_out),
            *((f"acordos {kind}", count) for kind, count in shown.acordos.items()),
        ],
    )
    print_table("Manager holds", ("situacao", "contracts"), shown.manager.items())
    if shown.flagged:
        print_table("Kept, to be looked at", ("reason", "rows"), shown.flagged.items())
    if shown.unread:
        print_table("Collected for those days, and never read", ("day", "file"), shown.unread)
    if shown.rows_refused:
        print_table("Refused", ("reason", "rows"), shown.refused_by_reason.items())
        print_table(
            f"The first {shown.refused.height} refused rows",
            ("line", "field", "reason", "detail", "also"),
            shown.refused.iter_rows(),
        )
