"""What is known at one moment, of all that an alarm may be about: values only, no reading and no deciding.

``resources`` and ``sensors`` fill them from the ledger and from Dagster; ``alarms`` decides over them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.day import Expected

WATCHED_DAYS = 5  # working days, today's included, of which a refused file or a held step is still told
WATCHED = timedelta(days=7)  # runs and arrivals older than this are told no more


@dataclass(frozen=True)
class Carga:
    """Where the carga of a day stands. ``without`` is the note of one that went at its deadline with what there was."""

    deadline: datetime
    awaited: bool  # it should go and has not: nobody decided otherwise, and no later day was sent
    without: str = ""
    by_decision: bool = False  # an operator's send-now made it go so
    reasons: tuple[str, ...] = ()  # what it lacks, or would lack, now


@dataclass(frozen=True)
class DayAtHand:
    """A day that is not over: today's, and the next one in the evening before it."""

    day: date
    expected: tuple[Expected, ...]
    carga: Carga
    batimento_waits: tuple[str, ...] = ()  # when the batimento came and waits
    waivers: Mapping[str, str] = field(default_factory=dict)  # the decision that stands in for an expected file


@dataclass(frozen=True)
class RefusedFile:
    day: date
    layout: str
    name: str
    version: int
    words: str


@dataclass(frozen=True)
class HeldStep:
    day: date
    guard: str
    words: str

    @property
    def released_by(self) -> str:
        return f"release-{self.guard}"


@dataclass(frozen=True)
class FailedRun:
    """A job (of a day, where it has one) whose last run failed, with no good one after it.

    ``checks`` are the blocking checks that stopped it, as ``asset.check``; ``errors`` what else did, in words. Its
    failures in a row began at ``since``. ``again``: another one is under way. ``passing``: it may go away by itself.
    ``conflict``: Manager has other content under a name of the wave.
    """

    job: str
    day: date | None
    run_id: str
    since: datetime
    errors: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    again: bool = False
    passing: bool = False
    conflict: bool = False


@dataclass(frozen=True)
class FailedCheck:
    """A check of severity ERROR that the day's last run did not pass."""

    day: date
    asset: str
    check: str
    words: str


@dataclass(frozen=True)
class UndeliveredWave:
    """A wave that is planned and not sent."""

    label: str
    day: date
    planned_at: datetime


@dataclass(frozen=True)
class StaleDay:
    """The first day whose base is not what its files and decisions would give, since the last of these came.

    ``opens`` is when it can be made, of one whose files came before that.
    """

    day: date
    since: datetime
    opens: datetime | None = None


@dataclass(frozen=True)
class FailingSensor:
    """A sensor whose last tick failed, and so did those before it, over a time of ``lasting`` between the first and the
    last of them. ``refused``: the server refused key or password."""

    name: str
    lasting: timedelta
    words: str
    refused: bool = False


@dataclass(frozen=True)
class Facts:
    """All that is known now. Lists are oldest first, so that the oldest is told when there are too many."""

    now: datetime  # in the portfolio's time zone
    at_hand: Sequence[DayAtHand] = ()
    refused: Sequence[RefusedFile] = ()
    held: Sequence[HeldStep] = ()
    unknown: Sequence[str] = ()  # names
    waves: Sequence[UndeliveredWave] = ()
    stale: StaleDay | None = None
    failed_runs: Sequence[FailedRun] = ()
    failed_checks: Sequence[FailedCheck] = ()
    failing_sensors: Sequence[FailingSensor] = ()
    under_way: bool = False  # a run of the portfolio is

    @property
    def horizon(self) -> datetime:
        """What happened before it is told no more."""
        return self.now - WATCHED

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.now.tzinfo)


def days_at_hand(calendar: WorkingCalendar, today: date, began: date | None) -> list[date]:
    """The days that are not over, of a portfolio whose first file or base is of the day ``began``.

    The last working day until the next one begins, over a weekend as well, and the next one, whose files come in the
    evening before. A portfolio that has not begun expects nothing.
    """
    if began is None:
        return []
    current = today if calendar.is_working(today) else calendar.previous(today)
    return [day for day in (current, calendar.next(current)) if day >= began]


def days_watched(calendar: WorkingCalendar, today: date) -> list[date]:
    """The days of which refused files and held steps are told: the last ``WATCHED_DAYS`` and the next one."""
    days = [calendar.next(today)]
    for _ in range(WATCHED_DAYS):
        days.append(calendar.previous(days[-1]))
    return sorted(days)
