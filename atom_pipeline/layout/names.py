"""File names: which layouts a name is of, which working day it means, and names for files that are written.

The grammar of a pattern is in ``pattern``. What the content of a file says of its layout, when a name leaves it open,
is in ``reading``. A day comes from the name and never from the file's time on a server (DESIGN section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from atom_pipeline.layout import pattern as grammar
from atom_pipeline.layout.model import Layout, NamePattern

if TYPE_CHECKING:
    from atom_pipeline.layout.catalogue import Catalogue
    from atom_pipeline.portfolio import Portfolio

is_safe = grammar.is_safe


class Calendar(Protocol):
    """What of ``calendar.WorkingCalendar`` a name's day needs."""

    def roll_forward(self, day: date) -> date:
        """``day`` itself when it operates, else the next day that does."""


@dataclass(frozen=True)
class NameMatch:
    """A name read by one pattern of one layout.

    ``day`` is the date in the name; ``stamp`` has its hour too, None when the name says no hour. ``tokens`` are the
    parts of the name as they stand there, by token without ``<>``.
    """

    name: str
    layout: Layout
    pattern: NamePattern
    stamp: datetime | None
    day: date
    tokens: Mapping[str, str]

    @property
    def excel(self) -> bool:
        """Whether the file is a workbook."""
        return self.pattern.excel


def match_name(catalogue: Catalogue, name: str) -> list[NameMatch]:
    """Every layout read by this portfolio that knows the name, at most one match for each; empty when none does.

    Several layouts mean that the content decides. A name with a path, ``..`` or a control character is of no layout
    (FAULTS 15), nor is one with a date that does not exist; case does not matter.
    """
    found = (match_layout(layout, catalogue.portfolio.ascob, name) for layout in catalogue.inputs())
    return [match for match in found if match is not None]


def match_layout(layout: Layout, ascob: str, name: str) -> NameMatch | None:
    """The name by the first pattern of one layout that matches it."""
    for pattern in layout.names:
        stamp = grammar.match(pattern.pattern, ascob, name)
        if stamp is not None and stamp.day is not None:
            moment = datetime.combine(stamp.day, stamp.time) if stamp.time is not None else None
            return NameMatch(name, layout, pattern, moment, stamp.day, stamp.tokens)
    return None


def working_day(match: NameMatch, portfolio: Portfolio, calendar: Calendar) -> date:
    """The working day a file belongs to (DESIGN section 4).

    With ``cutover`` a file stamped at or after the portfolio's hour belongs to the next working day, before it to the
    same one; without, to the date in its name. What falls on a day that does not operate rolls forward.
    """
    late = match.layout.cutover and match.stamp is not None and match.stamp.time() >= portfolio.operation.cutover
    return calendar.roll_forward(match.day + timedelta(days=1) if late else match.day)


def build_name(
    layout: Layout,
    *,
    stamp: date | None = None,
    pattern: NamePattern | None = None,
    optional: bool = False,
    **tokens: str | int | date,
) -> str:
    """A name for a file of ``layout``, from its first pattern unless another one is given.

    ``tokens`` are given by name in any case (``dia=date(...)``, ``onda=2``, ``ascob="528"``); a date is written as its
    token says, a number with at least two digits. ``stamp`` stands in for every date and hour that is not given. Parts
    in ``[...]`` are left out unless ``optional``. Raises ``pattern.PatternError`` when a token has no value, ValueError
    when a value does not fit its token.
    """
    calendar_tokens = (*grammar.DATE_TOKENS, *grammar.TIME_TOKENS)
    values: dict[str, str | int | date] = dict.fromkeys(calendar_tokens, stamp) if stamp is not None else {}
    values |= {token.upper(): value for token, value in tokens.items()}
    return grammar.build((pattern or layout.names[0]).pattern, values, optional=optional)
