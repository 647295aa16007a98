"""Which days operate, and how long a block lasts: every question about the calendar is answered here.

Working days come from ``portfolio.yaml`` (weekdays, and whether bank holidays are closed); the days of a block are the
bank's (ANBIMA), whatever the agency works on (DESIGN sections 4 and 5, R015, R020). What a name's stamp means for the
day of a file is in ``layout.names``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from atom_pipeline.errors import ProgramError
from atom_pipeline.portfolio import Block, Operation

ONE_DAY = timedelta(days=1)
# Partitions list their closed days one by one up to this year; the bank's calendar goes further. A file of a later one
# has a wrong date in its name.
LAST_YEAR = 2035


@lru_cache(maxsize=1)
def bank_holidays() -> frozenset[date]:
    """The holidays of ANBIMA's calendar, 2000 to 2099, as the package ``bizdays`` keeps them.

    Its list is read without importing the package, which brings pandas and takes two seconds at every start of the
    command line. Raises ProgramError when the list is not where bizdays 1.0 has it.
    """
    found = importlib.util.find_spec("bizdays")
    source = Path(found.origin).with_name("ANBIMA.cal") if found and found.origin else None
    if source is None or not source.is_file():
        raise ProgramError("bizdays' ANBIMA.cal was not found: install the version of requirements.lock")
    lines = source.read_text(encoding="ascii").split()
    return frozenset(date.fromisoformat(line) for line in lines if line[:1].isdigit())


@lru_cache(maxsize=1)
def _years() -> tuple[int, int]:
    years = {holiday.year for holiday in bank_holidays()}
    return min(years), max(years)


def is_bank_holiday(day: date) -> bool:
    """On ANBIMA's list, whatever the weekday. Raises ValueError outside the years the list covers."""
    first, last = _years()
    if not first <= day.year <= last:
        raise ValueError(f"{day:%Y-%m-%d} is outside the bank calendar, which covers {first} to {last}")
    return day in bank_holidays()


def is_bank_day(day: date) -> bool:
    """Monday to Friday and no bank holiday. Raises ValueError outside the years the list covers."""
    return day.isoweekday() <= 5 and not is_bank_holiday(day)


class WorkingCalendar:
    """The working days of a portfolio. What falls on another day rolls forward to the next one (DESIGN section 4)."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        if not operation.weekdays:
            raise ValueError("operation.weekdays is empty: no day would ever operate")

    def is_working(self, day: date) -> bool:
        """Whether a day is a partition. The portfolio's ``start`` plays no part here."""
        if day.isoweekday() not in self.operation.weekdays:
            return False
        return self.operation.bank_holidays == "open" or not is_bank_holiday(day)

    def roll_forward(self, day: date) -> date:
        """The day itself when it operates, else the next one that does."""
        return day if self.is_working(day) else self.next(day)

    def next(self, day: date) -> date:
        """The first working day after a day."""
        return next(other for other in _from(day, ONE_DAY) if self.is_working(other))

    def previous(self, day: date) -> date:
        """The last working day before a day."""
        return next(other for other in _from(day, -ONE_DAY) if self.is_working(other))

    def days(self, first: date, last: date) -> list[date]:
        """The working days from first to last, both included; empty when last is before first."""
        return [day for day in _between(first, last) if self.is_working(day)]

    def exclusions(self, first: date, last: date) -> list[date]:
        """The closed days, first to last, that fall on an operating weekday: what a cron by weekday must leave out."""
        return [
            day
            for day in _between(first, last)
            if day.isoweekday() in self.operation.weekdays and not self.is_working(day)
        ]


def block_window(day: date, block: Block) -> date:
    """The oldest ``bloqueado_em`` whose block still stands on a day (R015, R020).

    A contract is in its block's window on ``day`` iff ``block_window(day, block) <= bloqueado_em <= day``: at most
    ``block.days`` days of the block's calendar lie after ``bloqueado_em``, up to ``day``. The block's day is 0.
    """
    if block.calendar == "calendar":
        return day - timedelta(days=block.days)
    bank_days = (other for other in _from(day + ONE_DAY, -ONE_DAY) if is_bank_day(other))
    for _ in range(block.days):
        next(bank_days)
    return next(bank_days)


def released_on(blocked_on: date, block: Block) -> date:
    """The first day out of the window of a block: the 4th bank day after it (R020), or calendar day."""
    if block.calendar == "calendar":
        return blocked_on + timedelta(days=block.days + 1)
    bank_days = (other for other in _from(blocked_on, ONE_DAY) if is_bank_day(other))
    for _ in range(block.days):
        next(bank_days)
    return next(bank_days)


def _from(day: date, step: timedelta) -> Iterator[date]:
    """The days after (or before) a day, without end."""
    while True:
        day += step
        yield day


def _between(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + offset * ONE_DAY
