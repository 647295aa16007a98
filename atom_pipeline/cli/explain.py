"""``atom explain``: the life of a contract, or of a client's contracts, and why they are or are not in the mailing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console, print_table
from atom_pipeline.cli.opened import PortfolioOption, opened
from atom_pipeline.errors import AtomError

if TYPE_CHECKING:
    from atom_pipeline.layout.model import Personal
    from atom_pipeline.why.life import Event
    from resources.explain import Story
    from resources.explain_record import NamedRecord

ASK = "-"  # asked for at the terminal, so that no personal data stays in the shell's history
Show = Callable[["Personal", str], str]


def explain(
    contrato: Annotated[
        str | None, typer.Argument(metavar="[CONTRATO]", help="Contract number, with or without zeros on the left.")
    ] = None,
    cpf: Annotated[
        str | None, typer.Option("--cpf", help="Instead: every contract of this CPF or CNPJ; `-` asks for it.")
    ] = None,
    telefone: Annotated[
        str | None, typer.Option("--telefone", help="Instead: every contract with this phone, DDD first; `-` asks.")
    ] = None,
    records: Annotated[int, typer.Option(min=0, help="Show the records of so many of the newest events.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Every event on a line of its own.")] = False,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Show personal data as it is.")] = False,
    portfolio: PortfolioOption = None,
) -> None:
    """Show a contract's life day by day with rules, files and lines, and why it is or is not in the mailing.

    The argument is always a contract: a CPF or a phone can have the same digits, so it is named as such.
    """
    from resources.explain import contratos_of_client, contratos_with_phone, explain, explain_contrato

    if sum(given is not None for given in (contrato, cpf, telefone)) != 1:
        raise typer.BadParameter("give a contract number, or --cpf, or --telefone")
    with opened(portfolio) as runtime:
        if runtime.ledger.newest_base() is None:
            raise AtomError("no day is made yet: there is nothing to tell of any contract (`atom run DAY` makes one)")
        if contrato is not None:
            found = explain_contrato(runtime, contrato)
            stories = [found] if found else []
        elif cpf is not None:
            stories = explain(runtime, contratos_of_client(runtime, _asked(cpf, "CPF or CNPJ")))
        else:
            stories = explain(runtime, contratos_with_phone(runtime, _asked(telefone or "", "phone")))
        if not stories:
            raise AtomError(_nothing(contrato, cpf))
        if unmasked:
            console.print("unmasked: handle it as personal data", style="red")
        for story in stories:
            newest = [event for event in reversed(story.events) if event.arquivo and event.linha is not None]
            _print_story(story, every=every, show=_shown if unmasked else _masked)
            if records:
                from resources.explain_record import record_of
            for event in newest[:records]:
                if record := record_of(runtime, event):
                    _print_record(event, record, _shown if unmasked else _masked)
        _print_forgotten(stories)


def _asked(given: str, what: str) -> str:
    return str(typer.prompt(what, err=True)) if given == ASK else given


def _nothing(contrato: str | None, cpf: str | None) -> str:
    if contrato is None:
        return f"no contract of the newest base has this {'phone' if cpf is None else 'CPF or CNPJ'}"
    return (
        "the base has never known this contract, and no file of the lake's days names it; a CPF/CNPJ or a phone is "
        "given with --cpf or --telefone"
    )


def _shown(_kind: Personal, text: str) -> str:
    return text


def _masked(kind: Personal, text: str) -> str:
    from atom_pipeline.masking import MASKS

    return MASKS[kind](text)


def _print_story(story: Story, *, every: bool, show: Show) -> None:
    from atom_pipeline.layout.model import Personal
    from atom_pipeline.masking import scrub
    from atom_pipeline.why.life import folded

    state = story.state
    title = f"Contract {story.contrato}"
    if state is not None:
        title += f": {state['situacao']} since {state['situacao_desde']}, {state['motivo']}"
    console.print(title, markup=False, style="bold", soft_wrap=True)
    for line in story.why:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    events = story.events if every else folded(story.events)
    words = scrub if show is _masked else str
    print_table(
        "Its life",
        ("day", "movimento", "rules", "before", "after", "file", "line", "detail"),
        (
            (
                _days(event), event.movimento, ", ".join(event.rules), event.antes, event.depois, event.arquivo,
                str(event.linha or ""), _detail(event, words),
            )
            for event in events
        ),
    )  # fmt: skip
    if story.phones:
        print_table(
            "Its phones",
            ("phone", "type", "score", "from", "file", "line", "since", "newest file on", "place in the mailing"),
            (
                (
                    show(Personal.PHONE, phone.telefone), phone.tipo, "" if phone.score is None else str(phone.score),
                    phone.origem, phone.arquivo, str(phone.linha or ""), _day(phone.desde), _day(phone.enriquecido_em),
                    str(phone.place) if phone.place is not None else f"none: {phone.why_not}",
                )
                for phone in story.phones
            ),
        )  # fmt: skip
    if story.acordos:
        print_table(
            "Its acordos",
            ("acordo", "parcela", "motive", "date", "value", "blocks", "first seen", "file", "line"),
            (
                (
                    row["numero_acordo"], row["parcela"], row["motivo"], _day(row["data_movimento"]),
                    str(row["valor"] or ""), row["bloqueia"], _day(row["primeiro_dia"]), row["arquivo"],
                    str(row["linha"] or ""),
                )
                for row in story.acordos
            ),
        )  # fmt: skip


def _print_record(event: Event, record: NamedRecord, show: Show) -> None:
    day = event.until or event.dia
    where = f"{record.file} line {record.line}, read for {day}: {record.layout} {record.record}".rstrip()
    if record.fault is not None:
        console.print(f"{where}: {record.fault}", markup=False, soft_wrap=True)
        return
    print_table(
        where,
        ("field", "in the file", "read as", "description"),
        (
            (
                cell.field.name,
                show(cell.field.personal, cell.raw) if cell.field.personal else cell.raw,
                _value(cell.value, cell.raw, cell.field.personal, cell.meaning, show),
                cell.field.description,
            )
            for cell in record.cells
        ),
    )


def _value(value: object, raw: str, personal: Personal | None, meaning: str | None, show: Show) -> str:
    """What a field was read as, where it says more than its text."""
    if value is None:
        return "nothing"
    text = str(value)
    if text == raw:
        text = ""
    elif personal is not None:
        text = show(personal, text)
    return f"{text} ({meaning})".strip() if meaning else text


def _print_forgotten(stories: Iterable[Story]) -> None:
    for line in dict.fromkeys(line for story in stories for line in story.forgotten):
        console.print(line, markup=False)


def _days(event: Event) -> str:
    return f"{event.dia}" if event.until is None else f"{event.dia} to {event.until}, {event.times} times"


def _detail(event: Event, words: Callable[[str], str]) -> str:
    """What a movimento says has no personal data; a provider's words and protocols may."""
    said = event.detalhe or ""
    sent = f", {event.enviada:%Y-%m-%d %H:%M}" if event.enviada else ""
    changed = f"; its row changed {event.changes} times" if event.changes else ""
    return (said if event.rules else words(said)) + sent + changed


def _day(day: object) -> str:
    return "" if day is None else str(day)
