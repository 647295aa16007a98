"""What the loops do to single cells of numbers, dates and times."""

from __future__ import annotations

import numpy as np

from atom_pipeline.layout.compiled.codes import Bytes, Numbers
from atom_pipeline.layout.compiled.intrinsics import BLANK, part
from atom_pipeline.layout.compiled.text import HYPHEN, PLUS, ZERO, number_of

_MOST_DIGITS = 18
# A row of ``Program.formats``: the length, where each part begins (-1: nowhere), the literals as place and byte.
_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND, _LITERALS = range(1, 8)


@part
def whole(data: Bytes, start: int, stop: int, sign: int) -> tuple[int, bool]:
    """A number's value, and whether a cell is one. ``sign``: 0 none, 1 before the digits, 2 after them."""
    negative = False
    if sign == 1 and (data[start] == HYPHEN or data[start] == PLUS):
        negative = data[start] == HYPHEN
        start += 1
    elif sign == 2 and (data[stop - 1] == HYPHEN or data[stop - 1] == PLUS):
        negative = data[stop - 1] == HYPHEN
        stop -= 1
    if stop <= start or stop - start > _MOST_DIGITS:
        return np.int64(0), False
    value, good = number_of(data, start, stop)
    if not good:
        return np.int64(0), False
    return -value if negative else value, True


@part
def _pair(data: Bytes, place: int) -> int:
    """The value of two digits; more than 1,000,000 where they are none."""
    tens, ones = np.uint8(data[place] - np.uint8(ZERO)), np.uint8(data[place + 1] - np.uint8(ZERO))
    return np.int64(tens) * 10 + np.int64(ones) if tens <= 9 and ones <= 9 else np.int64(1_000_000_000)


@part
def moment(data: Bytes, start: int, stop: int, form: Numbers) -> tuple[int, int, bool]:
    """Days since 1970, seconds since midnight, and whether a cell is a moment of a format (years 1 to 9999)."""
    if stop - start != form[0]:
        return np.int64(0), np.int64(0), False
    for i in range(form[_LITERALS]):
        if data[start + form[_LITERALS + 1 + 2 * i]] != form[_LITERALS + 2 + 2 * i]:
            return np.int64(0), np.int64(0), False
    day, clock, good = np.int64(0), np.int64(0), True
    if form[_YEAR] >= 0:
        place = start + form[_YEAR]
        year = _pair(data, place) * 100 + _pair(data, place + 2)
        month = _pair(data, start + form[_MONTH])
        day, good = _days(year, month, _pair(data, start + form[_DAY]))
    if form[_HOUR] >= 0:
        hour, minute = _pair(data, start + form[_HOUR]), _pair(data, start + form[_MINUTE])
        second = _pair(data, start + form[_SECOND])
        good = good and hour < 24 and minute < 60 and second < 60
        clock = hour * 3600 + minute * 60 + second
    return day, clock, good


@part
def _days(year: int, month: int, day: int) -> tuple[int, bool]:
    """Days since 1970, and whether there is such a day."""
    if year < 1 or year > 9999 or month < 1 or month > 12 or day < 1:
        return np.int64(0), False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
    if month == 2:
        last = 29 if leap else 28
    if day > last:
        return np.int64(0), False
    y = np.uint32(year - 1 if month <= 2 else year)  # of years that begin in March
    of_year = (153 * np.uint32(month - 3 if month > 2 else month + 9) + 2) // 5 + np.uint32(day) - 1
    return np.int64(y * 365 + y // 4 - y // 100 + y // 400 + of_year) - 719468, True


@part
def is_no_date(data: Bytes, start: int, stop: int) -> bool:
    """Only blanks, zeros and marks: no date, and no fault."""
    for i in range(start, stop):
        byte = data[i]
        if not (byte == BLANK or (byte >= 45 and byte <= 48) or byte == 58):
            return False
    return True
