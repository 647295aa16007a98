"""The command line. Each command is a thin shell over the code that the assets use (DESIGN section 8).

This package and ``definitions`` are where the application is assembled: only they may import assets and resources.
Heavy modules are imported inside the commands, so that ``atom --help`` answers at once.
"""

from __future__ import annotations

import sys
import traceback

import typer

from atom_pipeline.cli import (
    alarms,
    backup,
    base,
    days,
    demo,
    diff,
    explain,
    layouts,
    massiva,
    prune,
    report,
    sample,
    tables,
    up,
    verify,
)
from atom_pipeline.errors import AtomError

app = typer.Typer(
    name="atom",
    help="Bank files in, collection base, dialer files out: one working day at a time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
layout_app = typer.Typer(help="Layouts: what is known of each file.", no_args_is_help=True)
base_app = typer.Typer(help="The collection base.", no_args_is_help=True)
massiva_app = typer.Typer(help="Massive actions: WhatsApp messages through OMNE.", no_args_is_help=True)

app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("run")(days.run)
app.command("day")(days.day)
app.command("report")(report.report)
app.command("decide")(days.decide)
app.command("alarms")(alarms.alarms)
app.command("sample")(sample.sample)
app.command("show")(tables.show)
app.command("explain")(explain.explain)
app.command("diff")(diff.diff)
app.command("prune")(prune.prune)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("verify")(verify.verify)
layouts.register(layout_app)
massiva.register(massiva_app)
base_app.command("import")(base.import_base)
base_app.command("template")(base.template)
app.add_typer(layout_app, name="layout")
app.add_typer(base_app, name="base")
app.add_typer(massiva_app, name="massiva")


def main() -> None:
    """Run a command; what this application raises on purpose is a message, not a traceback. Exit 0: all is well.

    Any other error shows where it happened, with its words masked: a terminal is copied into tickets.
    """
    try:
        app()
    except AtomError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        sys.exit(1)
    except Exception as error:
        from atom_pipeline.masking import masked_words

        places = "".join(traceback.format_tb(error.__traceback__))
        words = masked_words(error) or f"{type(error).__name__}: {error}"
        typer.secho(f"{places}{words}", err=True, fg=typer.colors.RED)
        sys.exit(1)
