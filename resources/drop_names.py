"""What the names in a drop mean to one portfolio, for the sensor that plans and the collection that does.

Kept per name, since a drop shows the same names at every poll. A name that is no plain file name means nothing (FAULTS
15), nor does one of a day before the portfolio began, or beyond the calendar: no day could ever take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from atom_pipeline.calendar import LAST_YEAR, WorkingCalendar
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.names import NameMatch, match_name, working_day
from atom_pipeline.plan.poll import Kind, Meaning
from resources.corrections import file_corrected_by
from resources.file_server import is_plain_name

_NAMES_KEPT = 50_000


class DropNames:
    """Names of a drop that ``others`` may share. Everything is asked by the name as it stands on the server."""

    def __init__(self, catalogue: Catalogue, calendar: WorkingCalendar, others: Sequence[Catalogue] = ()) -> None:
        self.catalogue = catalogue
        self.calendar = calendar
        self.others = others
        self.meaning = lru_cache(_NAMES_KEPT)(self._meaning)

    def matches(self, name: str) -> list[NameMatch]:
        """The layouts of the portfolio that know a name; several when the content decides."""
        first = self.catalogue.portfolio.operation.start
        found = match_name(self.catalogue, name) if is_plain_name(name) else []
        return [match for match in found if match.day.year <= LAST_YEAR and self.day(match) >= first]

    def day(self, match: NameMatch) -> date:
        return working_day(match, self.catalogue.portfolio, self.calendar)

    def corrects(self, name: str) -> str | None:
        """The name of the file that an error file is about; None when it is not an error file's name."""
        return file_corrected_by(self.catalogue, name) if is_plain_name(name) else None

    def are_of_others(self, name: str) -> bool:
        """Whether only another portfolio of the drop reads files of this name."""
        return not _knows(self.catalogue, name) and any(_knows(other, name) for other in self.others)

    def _meaning(self, name: str) -> Meaning:
        matches = self.matches(name)
        if matches:
            return Meaning(Kind.FILE, frozenset((match.layout.layout, self.day(match)) for match in matches))
        if self.are_of_others(name):
            return Meaning(Kind.OTHERS)
        return Meaning(Kind.CORRECTION if self.corrects(name) else Kind.UNKNOWN)


def _knows(catalogue: Catalogue, name: str) -> bool:
    """Whether a portfolio reads files of this name, or error files about such a file."""
    if not is_plain_name(name):
        return False
    about = file_corrected_by(catalogue, name)
    return bool(match_name(catalogue, name) or (about and match_name(catalogue, about)))
