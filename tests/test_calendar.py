"""The calendar, day by day around the days that are easily got wrong."""

import subprocess
import sys
from datetime import date, timedelta

import bizdays
import pytest

from atom_pipeline.calendar import (
    WorkingCalendar,
    bank_holidays,
    block_window,
    is_bank_day,
    released_on,
)
from atom_pipeline.portfolio import Block, Operation


def calendar(**settings: object) -> WorkingCalendar:
    return WorkingCalendar(Operation.model_validate({"start": date(2026, 1, 2), **settings}))


def test_the_list_is_the_one_bizdays_computes_with():
    peer = bizdays.Calendar.load(name="ANBIMA")
    assert bank_holidays() == frozenset(peer.holidays)
    first = date(2026, 1, 1)
    days = [first + timedelta(days=n) for n in range(730)]
    assert [is_bank_day(day) for day in days] == [peer.isbizday(day) for day in days]


def test_importing_the_calendar_does_not_bring_pandas():
    code = "import atom_pipeline.calendar as c, sys; c.bank_holidays(); sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 2, 13), True),  # Friday before Carnival
        (date(2026, 2, 16), False),  # Carnival Monday
        (date(2026, 2, 17), False),  # Carnival Tuesday
        (date(2026, 2, 18), True),  # Ash Wednesday is a bank day
        (date(2026, 6, 4), False),  # Corpus Christi
        (date(2026, 11, 20), False),  # Consciência Negra, a national holiday since 2024
        (date(2023, 11, 20), True),
        (date(2026, 11, 21), False),  # Saturday
        (date(2026, 12, 31), True),  # no public at the branches, but a bank business day
        (date(2027, 1, 1), False),
    ],
)
def test_bank_days(day: date, works: bool):
    assert is_bank_day(day) is works
    assert calendar().is_working(day) is works


def test_what_falls_on_a_closed_day_rolls_forward_over_carnival():
    working = calendar()
    assert working.roll_forward(date(2026, 2, 14)) == date(2026, 2, 18)
    assert working.roll_forward(date(2026, 2, 18)) == date(2026, 2, 18)
    assert working.next(date(2026, 2, 13)) == date(2026, 2, 18)
    assert working.previous(date(2026, 2, 18)) == date(2026, 2, 13)


def test_days_and_exclusions_split_the_operating_weekdays():
    working = calendar()
    assert working.days(date(2026, 2, 12), date(2026, 2, 19)) == [
        date(2026, 2, 12),
        date(2026, 2, 13),
        date(2026, 2, 18),
        date(2026, 2, 19),
    ]
    assert working.exclusions(date(2026, 2, 12), date(2026, 2, 19)) == [date(2026, 2, 16), date(2026, 2, 17)]
    assert working.days(date(2026, 2, 19), date(2026, 2, 12)) == []


def test_saturdays_operate_when_the_portfolio_says_so():
    working = calendar(weekdays=(1, 2, 3, 4, 5, 6))
    assert working.is_working(date(2026, 11, 21))
    assert not working.is_working(date(2026, 11, 22))
    assert working.next(date(2026, 11, 19)) == date(2026, 11, 21)  # the 20th is a bank holiday
    assert not working.is_working(date(2027, 5, 1))  # a holiday on a Saturday
    assert working.exclusions(date(2027, 4, 26), date(2027, 5, 2)) == [date(2027, 5, 1)]


def test_bank_holidays_operate_when_the_portfolio_says_so():
    working = calendar(bank_holidays="open")
    assert working.is_working(date(2026, 11, 20))
    assert not working.is_working(date(2026, 11, 21))


def test_a_portfolio_without_weekdays_is_refused():
    with pytest.raises(ValueError, match="weekdays"):
        calendar(weekdays=())


def test_days_the_bank_calendar_does_not_cover_are_refused():
    with pytest.raises(ValueError, match="2000 to 2099"):
        is_bank_day(date(2100, 1, 4))


@pytest.mark.parametrize(
    ("blocked", "days_of_the_window", "released"),
    [
        # Monday: Tuesday to Thursday in the window, alta on Friday
        (date(2026, 11, 9), [date(2026, 11, 10), date(2026, 11, 11), date(2026, 11, 12)], date(2026, 11, 13)),
        # over a weekend
        (date(2026, 11, 12), [date(2026, 11, 13), date(2026, 11, 16), date(2026, 11, 17)], date(2026, 11, 18)),
        # over Carnival
        (date(2026, 2, 12), [date(2026, 2, 13), date(2026, 2, 18), date(2026, 2, 19)], date(2026, 2, 20)),
        # over 20 November, a Friday
        (date(2026, 11, 18), [date(2026, 11, 19), date(2026, 11, 23), date(2026, 11, 24)], date(2026, 11, 25)),
        # over the turn of the year: 31 December counts, 1 January does not
        (date(2026, 12, 29), [date(2026, 12, 30), date(2026, 12, 31), date(2027, 1, 4)], date(2027, 1, 5)),
        # blocked on a Saturday, where Saturdays operate
        (date(2026, 11, 7), [date(2026, 11, 9), date(2026, 11, 10), date(2026, 11, 11)], date(2026, 11, 12)),
    ],
)
def test_a_block_stands_three_bank_days_and_the_fourth_is_out(blocked, days_of_the_window, released):
    block = Block()
    for day in [blocked, *days_of_the_window]:
        assert block_window(day, block) <= blocked
    assert block_window(released, block) > blocked
    assert released_on(blocked, block) == released


def test_a_block_by_calendar_days_ignores_weekends():
    block = Block(calendar="calendar")
    friday = date(2026, 11, 6)
    assert block_window(friday + timedelta(days=3), block) == friday
    assert block_window(friday + timedelta(days=4), block) > friday
    assert released_on(friday, block) == friday + timedelta(days=4)


@pytest.mark.parametrize("kind", ["bank", "calendar"])
@pytest.mark.parametrize("length", [1, 3, 30])
def test_the_window_and_the_release_agree_on_every_day_of_two_years(kind: str, length: int):
    block = Block.model_validate({"calendar": kind, "days": length})
    for n in range(0, 730, 1 if length == 3 else 7):
        blocked = date(2026, 1, 1) + timedelta(days=n)
        released = released_on(blocked, block)
        assert block_window(released, block) > blocked
        assert block_window(released - timedelta(days=1), block) <= blocked
