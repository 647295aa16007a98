"""Which working day must be made now, and otherwise what is waited for, and why (DESIGN sections 4, 6 and 9).

One run of a portfolio at a time, whoever asked for it. The oldest day that is behind its files and decisions goes
first, since every later one starts from it. A day whose base is right is run again when its last run did not get to its
end, when it may send since then what it could not (its deadline, a decision), or when a wave was planned and never
sent. Each run is asked for under a name made of the day, of all that it would see, and of the attempt: what ran and
ended well is done, what failed is tried again for some hours where that can help, and a new file or decision starts
anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

# Pauses before the second attempt at the same content and those after it: five hours in all, since Manager may be away
# for a part of the morning, and what was not sent by then a person has been told of long ago.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, *[30] * 9))
# A run that says it is under way and holds no lock is starting, or has no process any more.
STARTING = timedelta(minutes=5)


class State(StrEnum):
    """Where a run stands."""

    QUEUED = "na fila"
    RUNNING = "em andamento"
    DONE = "concluída"
    FAILED = "com falha"
    CANCELED = "cancelada"


class Ending(StrEnum):
    """Why a run failed."""

    HELD = "retida"  # only checks stopped it: it got as far as the day's data let it
    PASSING = "passageira"  # the same may succeed later without a person
    LASTING = "permanente"  # it will not


@dataclass(frozen=True)
class Run:
    """A run that makes a whole day, or is about to. ``content`` is what it was asked for with, if a plan asked."""

    run_id: str
    day: date
    state: State
    asked: datetime
    started: datetime | None = None
    ended: datetime | None = None
    content: str | None = None
    attempt: int = 0
    ending: Ending | None = None  # of a failed one
    words: str = ""  # what stopped it

    @property
    def label(self) -> str:
        return self.run_id[:8]


@dataclass(frozen=True)
class Day:
    """A day that may have to be made. ``inputs`` is the fold's fingerprint as it would be now.

    ``deadline`` is when its carga goes with what there is, None for a day that is over; ``spoken`` when an operator
    last decided about sending it, and ``words`` all those decisions; ``planned`` are waves that a run of this day would
    send or give up. ``hindrances`` are what stands between it and its carga, for people.
    """

    day: date
    inputs: str
    stale: bool
    built: datetime | None = None
    carga: bool = False
    baixa: bool = False
    forced: bool = False
    over: bool = False
    deadline: datetime | None = None
    spoken: datetime | None = None
    words: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()
    refusal: str | None = None  # why it cannot be made at all, now
    hindrances: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """A run to ask for: ``key`` is the name under which it is asked for once, ``why`` is for people."""

    day: date
    content: str
    attempt: int
    why: str

    @property
    def key(self) -> str:
        return f"{self.day:%Y-%m-%d}:{self.content}:{self.attempt}"


@dataclass(frozen=True)
class DaysPlan:
    """``request`` is the run to ask for now, if any; ``said`` is how the days stand and what they wait for, by line."""

    request: Request | None
    said: tuple[str, ...]


def content_of(day: Day, now: datetime) -> str:
    """Identity of all that a run of the day would see, the operators' words on sending and its deadline included."""
    passed = day.deadline is not None and now >= day.deadline
    return hashlib.sha256("\n".join([day.inputs, str(passed), *day.words]).encode()).hexdigest()[:24]


def plan_days(
    days: Sequence[Day],
    runs: Sequence[Run],
    now: datetime,
    *,
    held: Sequence[date] = (),
    later: Sequence[date] = (),
    said: Sequence[str] = (),
) -> DaysPlan:
    """Decide which day to make. ``days`` may have to be made; of those that are stale only the first may be.

    ``later`` are stale days after it. ``held`` are days that some process is making, whether a run says so or not, and
    ``said`` is what else people should read where nothing is asked for.
    """
    under_way = _under_way(runs, held, now)
    if under_way:
        return DaysPlan(None, (*under_way, *_standing(days, later), *said))
    waiting: list[str] = []
    for day in sorted(days, key=lambda one: one.day):
        mine = sorted((run for run in runs if run.day == day.day), key=lambda run: run.asked)
        why = need(day, mine, now)
        if why is None:
            continue
        if day.refusal is not None:
            waiting.append(f"{day.day:%Y-%m-%d}: {day.refusal}")
            continue
        found = _attempt(day, mine, why, now)
        if isinstance(found, Request):
            return DaysPlan(found, (f"{day.day:%Y-%m-%d}: {found.why}", *waiting))
        waiting.append(f"{day.day:%Y-%m-%d}: {found}")
    return DaysPlan(None, (*waiting, *_standing(days, later), *said) or ("nenhum dia para fazer",))


def need(day: Day, runs: Sequence[Run], now: datetime) -> str | None:
    """Why a day must be run, in words; None when it need not be. ``runs`` are the day's, oldest first."""
    if day.stale:
        return "há arquivos ou decisões que a base do dia não tem" if day.built else "o dia não tem base"
    if day.planned:
        return f"onda planejada e não enviada: {', '.join(day.planned)}"
    ended = [run for run in runs if run.ended is not None and day.built is not None and run.ended >= day.built]
    good = [run for run in ended if run.state is State.DONE or run.ending is Ending.HELD]
    if not good:
        # Without any record of how its base was made, a day that is over is left as it is.
        return None if day.over and not ended else "a base está feita, e o resto do dia não"
    started = good[-1].started or good[-1].asked
    if day.spoken is not None and day.spoken > started and (day.carga or day.baixa):
        return f"decisão sobre o envio: {day.words[-1]}"
    if day.carga and day.forced and day.deadline is not None and started < day.deadline <= now:
        return f"prazo da carga, {day.deadline:%H:%M}: vai com o que há"
    return None


def _under_way(runs: Sequence[Run], held: Sequence[date], now: datetime) -> list[str]:
    """What is being made, or waits in the queue, for people."""
    said = []
    for run in runs:
        if run.state not in (State.QUEUED, State.RUNNING):
            continue
        since = run.started or run.asked
        line = f"{run.day:%Y-%m-%d}: execução {run.label} {run.state.value} desde {since.astimezone(now.tzinfo):%H:%M}"
        if run.state is State.RUNNING and run.day not in held and now - since > STARTING:
            line += "; nenhum processo segura o dia: se ela não avança, encerre-a em Runs"
        said.append(line)
    known = {run.day for run in runs if run.state in (State.QUEUED, State.RUNNING)}
    return said + [f"{day:%Y-%m-%d}: outro processo está fazendo o dia" for day in held if day not in known]


def _attempt(day: Day, runs: Sequence[Run], why: str, now: datetime) -> Request | str:
    """The next attempt at a day that must be run, or why there is none now."""
    content = content_of(day, now)
    mine = [run for run in runs if run.content is not None]
    number = 1 + max((run.attempt for run in mine if run.content == content), default=0)
    streak = 0
    for run in reversed(mine):
        if run.content != content:
            break
        streak += 1
    if streak == 0:
        return Request(day.day, content, number, why)
    last = mine[-1]
    stopped = f"{why}; a execução {last.label} terminou {last.state.value}"
    stopped += f": {last.words}" if last.words else ""
    if last.state is State.CANCELED:
        return f"{stopped}; não é refeita sem um novo arquivo, uma decisão, ou uma pessoa"
    if last.state is State.FAILED and last.ending is not Ending.PASSING:
        return f"{stopped}; repetir não resolve: corrija a causa e rode o dia, ou envie outro arquivo"
    if streak > len(PAUSES):
        return f"{stopped}; foram {streak} tentativas: corrija a causa e rode o dia"
    due = (last.ended or last.asked) + PAUSES[streak - 1]
    if now < due:
        return f"{stopped}; tentativa {streak + 1} às {due.astimezone(now.tzinfo):%H:%M:%S}"
    return Request(day.day, content, number, f"{stopped}; tentativa {streak + 1}")


def _standing(days: Sequence[Day], later: Sequence[date]) -> list[str]:
    """How the days stand that need no run now, and those behind them."""
    said = [f"{day.day:%Y-%m-%d}: {line}" for day in days if not day.stale for line in day.hindrances]
    behind = ", ".join(f"{day:%Y-%m-%d}" for day in later)
    return said + ([f"{behind}: espera(m) pelo dia anterior"] if behind else [])
