"""``atom massiva …``: send a day's WhatsApp messages, see what is uncertain, settle it."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console, parse_day, print_table
from atom_pipeline.cli.opened import PortfolioOption, opened
from atom_pipeline.errors import AtomError
from atom_pipeline.garbage import nothing_is_garbage

if TYPE_CHECKING:
    from resources.runtime import PortfolioRuntime

DayArgument = Annotated[date, typer.Argument(parser=parse_day, metavar="DAY", help="Working day, e.g. 2026-11-19.")]
SHOWN = 20
TOLD_EVERY_SECONDS = 10.0


def register(app: typer.Typer) -> None:
    """Put the commands under ``atom massiva``."""
    app.command("enviar")(enviar)
    app.command("pendentes")(pendentes)
    app.command("resolver")(resolver)


def enviar(
    day: DayArgument,
    dry_run: Annotated[bool, typer.Option(help="Show exactly what would go now; send nothing.")] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="With --dry-run: write every row, unmasked, to this file.")
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0, help="For how long to send; 0: until nothing is left to send today.")
    ] = 0.0,
    portfolio: PortfolioOption = None,
) -> None:
    """Send the day's WhatsApp messages that may go now, then make the day's marks. Safe to run again at any time.

    Exit 0 only when every row that may go today went and nothing is uncertain.
    """
    if csv is not None and not dry_run:
        raise AtomError("--csv writes what would go: give --dry-run with it")
    with opened(portfolio) as runtime:
        runtime.refuse_if_no_partition(day)
        if dry_run:
            _show(runtime, day, csv)
            return
        well = _send(runtime, day, minutes)
    if not well:
        raise typer.Exit(1)


def _show(runtime: PortfolioRuntime, day: date, csv: Path | None) -> None:
    """What would go now, and why the rest would not."""
    import polars as pl

    from atom_pipeline.masking import mask_frame
    from atom_pipeline.massiva.fates import ENVIAR
    from resources.massiva import forecast
    from resources.runtime import PERSONAL_COLUMNS

    seen = forecast(runtime, day)
    print_table("What each row of the day comes to", ("row", "rows"), seen.state.fates.items())
    for reason in seen.state.reasons:
        console.print(f"nothing goes now: {reason}", markup=False)
    if seen.state.resume_at is not None:
        console.print(f"nothing goes before {seen.state.resume_at.astimezone(runtime.zone):%H:%M:%S}: OMNE")
    shown = ("arquivo", "linha", "contrato", "numero", "nome", "jornada", "template", "ufs", "destino", "detalhe")
    going = seen.rows.filter(pl.col("destino") == ENVIAR).select(shown)
    masked = mask_frame(going.head(SHOWN), PERSONAL_COLUMNS)
    console.print(f"{'would go if nothing stood in the way' if seen.state.reasons else 'would go now'}: {going.height}")
    if going.height:
        print_table("", shown[:-1], masked.select(shown[:-1]).iter_rows())
    if going.height > SHOWN:
        console.print(f"… and {going.height - SHOWN} more: --csv writes them all")
    if csv is not None:
        seen.rows.select(*shown, "a_partir_de").write_csv(csv)
        console.print(f"{csv}: {seen.rows.height} rows, unmasked: handle it as personal data")


def _send(runtime: PortfolioRuntime, day: date, minutes: float) -> bool:
    """Run Dagster's own jobs, so that the UI shows it: the one that sends, then the one that makes the marks."""
    with nothing_is_garbage():
        from assets.build import build_defs
    from assets.massiva import SENDING, marks_job_name, massiva_job_name
    from atom_pipeline.cli.running import dagster_instance, run_job
    from resources.massiva import config_of
    from resources.massiva_marks import marks_behind

    config_of(runtime)
    with dagster_instance(runtime.settings, runtime.postgres_url) as instance:
        with nothing_is_garbage():
            definitions = build_defs(runtime.settings, clock=runtime.clock)
        op = "__".join([runtime.name, *SENDING.split("/")])
        how = {op: {"config": {"minutes": minutes}}}
        with _told(runtime, day):
            failures = run_job(definitions.resolve_job_def(massiva_job_name(runtime.name)), instance, day, how)
        for behind in marks_behind(runtime):
            failures += run_job(definitions.resolve_job_def(marks_job_name(runtime.name)), instance, behind, {})
    counts = runtime.ledger.message_counts(day)
    print_table("Messages of the day", ("status", "messages"), ((s.value, n) for s, n in counts.items()))
    return _tell(runtime, day, failures)


@contextmanager
def _told(runtime: PortfolioRuntime, day: date) -> Iterator[None]:
    """While the block lasts, say every few seconds what the record has by now."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(TOLD_EVERY_SECONDS):
            counts = runtime.ledger.message_counts(day)
            console.print(", ".join(f"{status.value} {count}" for status, count in counts.items()), markup=False)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tell(runtime: PortfolioRuntime, day: date, failures: list[str]) -> bool:
    """What is left, and why; whether all is well."""
    from atom_pipeline.massiva.states import Status
    from resources.massiva import massiva_state

    state = massiva_state(runtime, day)
    for failure in failures:
        console.print(failure, markup=False, style="red")
    if state.left:
        console.print(f"{state.left} rows still to go today")
        for reason in state.reasons:
            console.print(f"  they wait: {reason}", markup=False)
        for moment in (state.resume_at, state.next_at):
            if moment is not None:
                console.print(f"  not before {moment.astimezone(runtime.zone):%Y-%m-%d %H:%M:%S}")
    uncertain = runtime.ledger.message_counts(day).get(Status.INCERTO, 0)
    if uncertain:
        console.print(f"{uncertain} uncertain: see `atom massiva pendentes`", style="red")
    return not (failures or state.left or uncertain)


def pendentes(
    day: Annotated[
        date | None, typer.Argument(parser=parse_day, metavar="[DAY]", help="Of this day alone; default: all.")
    ] = None,
    portfolio: PortfolioOption = None,
) -> None:
    """List the messages of which nobody knows whether OMNE took them, masked. They wait for a person, never resent.

    Look each up at OMNE, by file, line and contract, then say what it was with `atom massiva resolver`. Exit 1 when
    there are any.
    """
    from atom_pipeline.massiva.states import Status

    with opened(portfolio) as runtime:
        found = list(runtime.ledger.messages(day=day, status=Status.INCERTO))
        zone = runtime.zone
    if not found:
        console.print("no message is uncertain")
        return
    print_table(
        "Uncertain messages",
        ("id", "day", "file", "line", "contract", "number", "template", "tried at", "what is known"),
        (
            (
                str(one.id),
                f"{one.day:%Y-%m-%d}",
                one.file,
                str(one.line),
                one.contrato,
                one.number_masked,
                str(one.template),
                f"{one.intended_at.astimezone(zone):%H:%M:%S}",
                one.words,
            )
            for one in found
        ),
    )
    console.print("settle each: atom massiva resolver ID… --enviado (or --nao-enviado) --why TEXT")
    raise typer.Exit(1)


def resolver(
    ids: Annotated[list[int], typer.Argument(metavar="ID…", help="Messages, as `atom massiva pendentes` lists them.")],
    sent: Annotated[bool, typer.Option("--enviado/--nao-enviado", help="OMNE took it, or it did not.")],
    why: Annotated[str, typer.Option("--why", help="How you know, kept on the record. No clients' data.")],
    author: Annotated[str | None, typer.Option("--author", help="Who says so; default: the system's user.")] = None,
    portfolio: PortfolioOption = None,
) -> None:
    """Say what became of uncertain messages, on the record.

    Sent: the contract is marked as such. Not sent: the message may go again today; when its day is over, the contract
    is marked as not reached.
    """
    with opened(portfolio) as runtime:
        now = runtime.now()
        for message_id in ids:
            settled = runtime.ledger.settle_message(
                message_id,
                sent=sent,
                why=why,
                author=author or getpass.getuser(),
                now=now,
                marked_on=runtime.calendar.roll_forward(now.date()),
                today=now.date(),
            )
            console.print(f"message {settled.id} is {settled.status}")
    console.print("the marks follow with `atom massiva enviar`, or the next run of the day")
