"""What a working day expects, what has arrived, what it waits for, and which days must be made (DESIGN section 4).

Pure decisions over plain values: no ledger, no lake, no clock of its own. The assets, the command line and the sensors
ask here, so that all of them give the same answer and the same words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

if TYPE_CHECKING:  # the command line asks this module for its words at start, and Pydantic takes a quarter of a second
    from atom_pipeline.portfolio import Expectation, Portfolio


class Calendar(Protocol):
    """The working days of a portfolio."""

    def previous(self, day: date) -> date: ...


class Outcome(StrEnum):
    """What became of a collected file."""

    PENDING = "PENDENTE"
    LOADED = "CARREGADO"
    REFUSED = "RECUSADO"
    SUPERSEDED = "SUBSTITUIDO"  # read, and another file of the day stands in its place


class Decision(StrEnum):
    """What an operator can decide, on the record."""

    NO_ACORDOS = "no-acordos"
    NO_REMESSA = "no-remessa"
    RELEASE_REMESSA = "release-remessa"
    RELEASE_ACORDOS = "release-acordos"
    RELEASE_EXCLUSAO = "release-exclusao"
    RELEASE_BATIMENTO = "release-batimento"
    SEND_NOW = "send-now"
    DO_NOT_SEND = "do-not-send"


# Decisions about sending change no table, so they are no input of the fold.
SENDING = frozenset({Decision.SEND_NOW, Decision.DO_NOT_SEND})


@dataclass(frozen=True)
class DayFile:
    """One current file of a day, and what became of it."""

    name: str
    layout: str
    sha256: str
    arrival: int
    stamp: datetime | None = None  # date and hour in its name
    outcome: Outcome = Outcome.PENDING
    code: str | None = None
    message: str | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.layout, self.name, self.sha256


@dataclass(frozen=True)
class Taken:
    """An operator's decision; ``reference`` is the fingerprint of the files it is about, when it releases a guard."""

    what: Decision
    reference: str | None = None


class Status(StrEnum):
    """Where an expected file stands, in the operators' words."""

    LOADED = "carregado"
    WAIVED = "dispensado"
    REFUSED = "recusado"
    PENDING = "coletado"
    LATE = "atrasado"
    WAITING = "aguardando"


@dataclass(frozen=True)
class Expected:
    """One expectation of the day and how it stands."""

    name: str
    layouts: tuple[str, ...]
    status: Status
    due: datetime | None
    required: bool
    files: tuple[str, ...]

    @property
    def fulfilled(self) -> bool:
        return self.status in {Status.LOADED, Status.WAIVED}


def due_at(expectation: Expectation, portfolio: Portfolio, day: date) -> datetime | None:
    """When the file of an expectation is late: local time on the day, or on the calendar evening before it."""
    if expectation.due is None:
        return None
    on = day if expectation.due_day == "same" else day - timedelta(days=1)
    return datetime.combine(on, expectation.due, tzinfo=ZoneInfo(portfolio.operation.timezone))


def expected_files(
    portfolio: Portfolio, day: date, files: Sequence[DayFile], decisions: Collection[Taken], now: datetime
) -> list[Expected]:
    """How each expectation of the day stands; those of other weekdays (refin on Tuesdays) are left out."""
    taken = {decision.what.value for decision in decisions}
    out: list[Expected] = []
    for expectation in portfolio.expects:
        mine = [
            file
            for file in files
            if file.layout in expectation.any_of
            and not (expectation.of_the_day and file.stamp is not None and file.stamp.date() != day)
        ]
        if not mine and day.isoweekday() not in expectation.weekdays:
            continue
        due = due_at(expectation, portfolio, day)
        outcomes = {file.outcome for file in mine}
        if outcomes == {Outcome.LOADED}:  # one file that was refused is not made good by another that was loaded
            status = Status.LOADED
        elif expectation.waived_by in taken:
            status = Status.WAIVED
        elif Outcome.PENDING in outcomes:
            status = Status.PENDING
        elif Outcome.REFUSED in outcomes:
            status = Status.REFUSED
        else:
            status = Status.LATE if due is not None and now > due else Status.WAITING
        out.append(
            Expected(
                name=expectation.name,
                layouts=expectation.any_of,
                status=status,
                due=due,
                required=expectation.required_for_carga,
                files=tuple(file.name for file in mine),
            )
        )
    return out


def waits_of_batimento(
    portfolio: Portfolio, expected: Sequence[Expected], files: Sequence[DayFile], before: Collection[str]
) -> list[str]:
    """What the batimento still waits for (R021, UC006), in words; empty when it may run.

    It needs a loaded file of each expectation in ``batimento.waits_for`` (a refused one does not count), and that every
    collected file of the layouts ``before`` it (enrichment, exclusão) has been read: a refused one has had its answer.
    """
    by_name = {item.name: item for item in expected}
    waits = [
        f"{name}: {by_name[name].status.value}" if name in by_name else f"{name}: aguardando"
        for name in portfolio.batimento.waits_for
        if name not in by_name or not by_name[name].fulfilled
    ]
    unread = [file for file in files if file.layout in before and file.outcome is Outcome.PENDING]
    return waits + [f"{file.layout}: {file.name} ainda não foi lido" for file in unread]


FileIdentity = tuple[str, str, str]  # layout, name, sha256


def decisions_fingerprint(decisions: Collection[Taken]) -> str:
    """Identity of the decisions that change a day's tables; those about sending do not."""
    lines = sorted(f"{one.what.value}|{one.reference or ''}" for one in set(decisions) if one.what not in SENDING)
    return _digest(lines)


def fold_fingerprint(files: Collection[FileIdentity], decisions: str, previous_hash: str | None) -> str:
    """Identity of all that a day's tables are made from: its files, the decisions, and the base before.

    Two equal fingerprints give equal tables. The layouts' and portfolio's own text is not in it: a changed comment must
    not ask for four hundred days again.
    """
    return _digest([previous_hash or "-", decisions, *sorted("|".join(file) for file in files)])


def step_fingerprint(files: Collection[FileIdentity], layouts: Collection[str]) -> str:
    """Identity of the files of a step."""
    return _digest(sorted("|".join(file) for file in files if file[0] in layouts))


HALF = 32  # characters of each part of a verdict's fingerprint


def verdict_fingerprint(files: str, base: str) -> str:
    """Identity of what a guard judged: the step's files, and the base that they were applied to.

    A release is about both: the same batimento on a larger base may close what nobody looked at.
    """
    return f"{files[:HALF]}{_digest([base])[:HALF]}"


def is_verdict_on(fingerprint: str, files: str) -> bool:
    """Whether a verdict is about these files of its step."""
    return fingerprint.startswith(files[:HALF])


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class KnownBase:
    """A base in the ledger: what it was made from and which base it started from."""

    day: date
    hash: str
    inputs: str
    previous_day: date | None
    previous_hash: str | None


def stale_days(
    bases: Mapping[date, KnownBase], fingerprints: Mapping[date, str], days_with_files: Collection[date]
) -> list[date]:
    """Days whose base is missing or no longer what its inputs would give, in order.

    ``fingerprints`` holds, for each day with a base or files, the fold's fingerprint as it would be now, from the base
    that it would start from. A day after a stale one is stale as well, for it starts from it.
    """
    out: list[date] = []
    for day in sorted(set(bases) | set(days_with_files)):
        base = bases.get(day)
        if out or base is None or base.inputs != fingerprints[day]:
            out.append(day)
    return out


def days_to_run(
    target: date, *, stale: Sequence[date], bases: Collection[date], first: date | None = None
) -> list[date]:
    """The days to make, in order, so that the target and all that follows from it are right.

    Every stale day up to the target, the target itself, the days from ``first`` on when given; and, since a day starts
    from the one before it, every later day that already has a base.
    """
    chosen = {day for day in stale if day <= target} | {target}
    if first is not None:
        chosen |= {day for day in (*stale, *bases) if first <= day <= target}
    start = min(chosen)
    chosen |= {day for day in bases if day > start}
    return sorted(chosen)


def carga_due_at(portfolio: Portfolio, day: date) -> datetime:
    """When the carga of the day goes with what there is (DESIGN section 6)."""
    return datetime.combine(day, portfolio.publication.carga_deadline, tzinfo=ZoneInfo(portfolio.operation.timezone))


def deadline_passed(portfolio: Portfolio, day: date, now: datetime) -> bool:
    """Whether the carga of the day goes with what there is."""
    return now >= carga_due_at(portfolio, day)


@dataclass(frozen=True)
class Sending:
    """What publishing may do now, and why not when it may not."""

    carga: bool
    baixa: bool
    reasons: tuple[str, ...]
    forced: bool = False  # the carga goes at its deadline, or by decision, without all that the day expects


def sending(
    portfolio: Portfolio,
    day: date,
    *,
    expected: Sequence[Expected],
    held: Sequence[str],
    waits: Sequence[str],
    decisions: Sequence[Taken],
    now: datetime,
    last_sent: date | None,
    stale: bool,
    over: bool,
) -> Sending:
    """Decide what may be sent for a day (DESIGN section 6).

    Nothing for a day older than the last one sent, or when an operator decided so. No mailing from a base that is no
    longer what its files would give. Baixas never wait. The carga waits
    for all that the day expects and for held guards, until its deadline or an operator's `send-now`.
    """
    words = [decision.what for decision in decisions if decision.what in SENDING]
    word = words[-1] if words else None  # of several the last one counts
    if last_sent is not None and day < last_sent:
        reason = f"a onda mais recente é do dia {last_sent:%Y-%m-%d}: um dia anterior não é enviado"
        return Sending(False, False, (reason,))
    if word is Decision.DO_NOT_SEND:
        return Sending(False, False, ("decisão do operador: não enviar",))
    # What came and was not read counts as missing, required or not: it may say who has paid.
    missing = [item for item in expected if not item.fulfilled and (item.required or item.files)]
    reasons = [f"{item.name}: {item.status.value}" for item in missing]
    reasons += [f"batimento espera {wait}" for wait in waits]
    reasons += [f"{guard}: retido" for guard in held]
    if stale:
        behind = "a base do dia não é a dos arquivos e decisões que há agora: rode o dia"
        return Sending(False, True, (behind, *dict.fromkeys(reasons)))
    if not reasons:
        return Sending(True, True, ())
    # The deadline is for the day at hand, and for a day of which something came: the mailing of a day that is over goes
    # whole or not at all, and yesterday's is not sent again under today's name.
    came = any(item.status is Status.LOADED for item in expected)
    if not came:
        reasons.insert(0, "nenhum arquivo do dia foi lido")
    forced = word is Decision.SEND_NOW or (came and not over and deadline_passed(portfolio, day, now))
    return Sending(forced, True, tuple(dict.fromkeys(reasons)), forced=forced)
