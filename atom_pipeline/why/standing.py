"""In words, why a contract is or is not in the mailing, and what Manager has of it. Pure: facts in, sentences out.

The facts are those of the newest base and of the day at hand; ``resources.standing`` finds them. A sentence names the
day, the file and the line that it rests on, the rule, and what changes it. No personal data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from atom_pipeline.rules.state import Movimento, Situacao
from atom_pipeline.waves import Operation
from atom_pipeline.why.life import Event


class MailingState(StrEnum):
    """Whether there is a mailing of the newest base."""

    MADE = "made"
    NOT_MADE = "not made"
    OTHER_BASE = "made of another base"
    IMPORTED = "imported"  # no mailing is made of a base brought at go-live


@dataclass(frozen=True)
class Step:
    """A step of the day that was not applied: held by its guard, or waiting.

    ``names_it``: whether its file has a row of the contract; None when that cannot be told any more.
    """

    name: str
    files: tuple[str, ...]
    names_it: bool | None
    waits: tuple[str, ...] = ()  # empty: held


@dataclass(frozen=True)
class AtManager:
    """The newest wave that says something of the contract. ``same``: it said what the mailing says now."""

    operation: Operation
    wave: str
    day: date
    file: str | None = None
    sent_at: str = ""
    same: bool = True

    @property
    def has_it(self) -> bool:
        return self.operation is not Operation.BAIXA


@dataclass(frozen=True)
class Facts:
    """What is known of a contract on ``day``, that of the newest base. ``today`` is the working day at hand.

    ``cause`` is the newest event that changed its situacao, when it is still kept; ``row`` the one that brought its
    last remessa row; ``not_applied`` the steps that held or wait; ``aside`` and ``refused`` say of the day's own lines.
    """

    contrato: str
    day: date
    today: date
    situacao: str | None = None
    since: date | None = None
    motivo: str | None = None
    cause: Event | None = None
    acordo: str | None = None
    blocked_on: date | None = None
    released_on: date | None = None
    phones: int = 0
    placed: int = 0
    undialable: int = 0
    mailing: MailingState = MailingState.MADE
    in_mailing: bool = False
    manager: AtManager | None = None
    carga_sent: bool = False
    may_send: bool = True
    hindrances: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()
    stale: tuple[date, ...] = ()
    not_applied: tuple[Step, ...] = ()
    aside: tuple[Event, ...] = ()
    refused: tuple[tuple[str, int, str], ...] = ()  # file, line, reason of lines of the day that hold its number

    @property
    def in_window(self) -> bool:
        """Whether its block's window still runs on the next day's remessa (R020)."""
        return self.released_on is not None and self.day < self.released_on


def sentences(facts: Facts) -> list[str]:
    """Why the contract is or is not in the mailing, then what Manager has and what comes next."""
    return [
        *_how_old(facts),
        *_situation(facts),
        *_lines_of_the_day(facts),
        *_not_applied(facts),
        *_manager(facts),
    ]


def _how_old(facts: Facts) -> Iterator[str]:
    if facts.day in facts.stale:
        yield (
            f"the base of {facts.day} is behind its files or decisions: what follows is as it was made; "
            f"`atom run {facts.day}` makes it again"
        )
    later = [day for day in facts.stale if day > facts.day]
    if later:
        days = ", ".join(str(day) for day in later)
        yield f"{days}: files came and no base was made of them: this is as of {facts.day}"
    elif facts.day < facts.today:
        yield f"no file of {facts.today} was collected yet: this is as of {facts.day}"


def _situation(facts: Facts) -> Iterator[str]:
    if facts.situacao is None:
        yield f"it is not in the mailing: the base of {facts.day} does not know it, no remessa row of it was accepted"
        return
    match facts.situacao:
        case Situacao.ATIVO:
            yield from _active(facts)
        case Situacao.BLOQUEIO_PARCIAL:
            yield from _blocked(facts)
        case Situacao.RETIRADO:
            yield f"it is not in the mailing: RETIRADO since {facts.since} by {_by(facts)} (R011)"
            yield from _way_back(facts)
        case _:
            yield (
                f"it is not in the mailing: BAIXADO since {facts.since}, "
                f"for it is not in the batimento of that day, {_by(facts)} (R022)"
            )
            yield from _way_back(facts)


def _active(facts: Facts) -> Iterator[str]:
    match facts.mailing:
        case MailingState.IMPORTED:
            yield f"it is ATIVO since {facts.since}; no mailing is made of the imported base of {facts.day}"
            return
        case MailingState.NOT_MADE:
            yield f"it is ATIVO since {facts.since}, and the mailing of {facts.day} is not made: `atom run {facts.day}`"
            return
        case MailingState.OTHER_BASE:
            yield (
                f"it is ATIVO since {facts.since}, and the mailing of {facts.day} is of another base than there is "
                f"now: `atom run {facts.day}`"
            )
            return
    if facts.in_mailing:
        yield (
            f"it is in the mailing of {facts.day}: ATIVO since {facts.since} with "
            f"{_count(facts.placed, 'usable phone')} (R012, R025)"
        )
    elif facts.phones:
        yield (
            f"it is not in the mailing: ATIVO since {facts.since}, but none of its {_count(facts.phones, 'phone')} "
            "has a place in it (R025)"
        )
    else:
        yield f"it is not in the mailing: ATIVO since {facts.since}, but without a usable phone (R024)"
    if facts.undialable and not facts.in_mailing:
        yield f"its last remessa row has {_count(facts.undialable, 'number')} that cannot be dialled"


def _blocked(facts: Facts) -> Iterator[str]:
    acordo = f"acordo {facts.acordo}" if facts.acordo else "an acordo without a number"
    yield f"it is not in the mailing: BLOQUEIO PARCIAL since {facts.since} for {acordo}, {_by(facts)} (R017, R019)"
    if facts.in_window:
        yield (
            f"blocked last on {facts.blocked_on}, it stays so until {facts.released_on}: remessa rows are ignored "
            "before that day (R020); from then on one makes it ATIVO again"
        )
    else:
        yield (
            f"the window of its block ended, {facts.released_on} was the first day out of it: the next remessa row "
            "makes it ATIVO again (R020), and a batimento that does not list it closes it (R022)"
        )


def _way_back(facts: Facts) -> Iterator[str]:
    if facts.in_window:
        yield (
            f"the block of {facts.blocked_on} still runs: a remessa row of it is ignored before {facts.released_on} "
            "(R020); from then on one brings it back"
        )
    else:
        yield "the next remessa row of it brings it back (REATIVACAO)"


def _by(facts: Facts) -> str:
    """The file that made the contract what it is, and the line; what is known where it is not kept."""
    cause = facts.cause
    if cause is None:
        return f"by what is no longer kept ({facts.motivo})" if facts.motivo else "by what is no longer kept"
    if cause.arquivo is None:
        return cause.movimento
    return cause.arquivo if cause.linha is None else f"{cause.arquivo} line {cause.linha}"


def _lines_of_the_day(facts: Facts) -> Iterator[str]:
    for event in facts.aside:
        place = f"{event.arquivo} line {event.linha}"
        motivo = event.movimento.partition(" ")[2] or event.movimento
        said = f": {event.detalhe}" if event.detalhe else ""
        rules = f" ({', '.join(event.rules)})" if event.rules else ""
        yield f"{place} of {event.dia} was not used, {motivo}{rules}{said}"
    for file, line, reason in facts.refused:
        yield f"{file} line {line}, which has its number, was refused on {facts.day}: {reason}; see its error file"


_IF_APPLIED = {
    ("remessa", True): "it has a row of it, which was not used",
    ("remessa", False): "it has no row of it",
    ("acordos", True): "it has an acordo of it: applied, the contract is blocked",
    ("acordos", False): "it has no acordo of it",
    ("exclusao", True): "it takes the contract back: applied, it is RETIRADO",
    ("exclusao", False): "it does not name it",
    ("batimento", True): "it lists it: applied, nothing changes for it",
    ("batimento", False): "it does not list it: applied, an open contract out of its block's window is BAIXADO",
}


def _not_applied(facts: Facts) -> Iterator[str]:
    for step in facts.not_applied:
        files = ", ".join(step.files)
        why = f"waits ({'; '.join(step.waits)})" if step.waits else f"is held until `release-{step.name}`"
        told = "" if step.names_it is None else f"; {_IF_APPLIED[step.name, step.names_it]}"
        yield f"the {step.name} of {facts.day} ({files}) {why} and changed nothing{told}"


def _manager(facts: Facts) -> Iterator[str]:
    one = facts.manager
    if one is None:
        yield "Manager was never sent it"
    elif one.operation is Operation.MANTIDO:
        yield (
            f"Manager has it: its baixa was kept back in wave {one.wave}, where too many had no reason in the base; "
            "`send-now` lets them go"
        )
    elif one.has_it:
        yield f"Manager has it, since wave {one.wave}{_sent(one)}"
    else:
        yield f"Manager does not have it: baixa in wave {one.wave}{_sent(one)} (UC007)"
    if facts.mailing is not MailingState.MADE:
        return
    has_it = one is not None and one.has_it
    changed = has_it and one is not None and not one.same
    if facts.in_mailing and facts.may_send and not facts.carga_sent:
        yield f"the carga of {facts.day}, which has it, goes with the next run{_planned(facts)}"
    elif facts.in_mailing and not facts.carga_sent:
        yield f"the carga of {facts.day}, which has it, was not sent yet: {_hindrances(facts)}{_planned(facts)}"
    elif facts.in_mailing and (changed or not has_it):
        what = "its row changed since" if changed else "it is new to Manager"
        when = "the next wave has it" if facts.may_send else f"not sent: {_hindrances(facts)}"
        yield f"{what}: {when}{_planned(facts)}"
    elif has_it and not facts.in_mailing and one is not None and one.operation is not Operation.MANTIDO:
        yield f"its baixa is due (UC007){_planned(facts)}"


def _sent(one: AtManager) -> str:
    told = ", ".join(part for part in (one.operation.value, one.sent_at, one.file) if part)
    return f" ({told})"


def _hindrances(facts: Facts) -> str:
    return "; ".join(facts.hindrances) or "no reason on record"


def _planned(facts: Facts) -> str:
    return f"; wave {', '.join(facts.planned)} is planned and on its way" if facts.planned else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# What changed a contract's situacao, so that it is the reason for the present one.
CHANGES_SITUACAO = frozenset(
    {
        Movimento.ALTA.value,
        Movimento.REATIVACAO.value,
        Movimento.BLOQUEIO.value,
        Movimento.RETIRADA.value,
        Movimento.BAIXA_BATIMENTO.value,
    }
)
