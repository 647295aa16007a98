"""What may be removed of what a portfolio keeps, by the days its document gives (``retention:``). Pure: dates only.

Never what is needed: a day that must be made, or the newest one, keeps all it has; the days that can still be made
again keep their collected files, the base that the first of them starts from, and the waves that say what Manager had.
Where things lie, and how they are removed, is in ``resources.retention``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atom_pipeline.portfolio import Retention


class Part(StrEnum):
    """What is kept, each for its own time, in the order in which it is removed."""

    STEPS = "steps"
    ARCHIVE = "archive"
    BASE = "base"
    WAVES = "waves"
    ERRORS = "errors"
    RUNS = "runs"


@dataclass(frozen=True)
class KeptWave:
    """A wave as far as keeping goes. ``resets``: it says anew all that Manager has."""

    day: date
    number: int
    sent: bool
    planned: bool
    resets: bool


@dataclass(frozen=True)
class Facts:
    """What stands. ``waves`` in the order they were planned; ``imported`` is the day of the base brought at go-live.

    ``floor``: the collected files of days before it were removed earlier.
    """

    today: date
    bases: Sequence[date] = ()
    stale: Sequence[date] = ()
    waves: Sequence[KeptWave] = ()
    imported: date | None = None
    floor: date | None = None


@dataclass(frozen=True)
class Plan:
    """``before``: of each part, what is of an earlier day goes; a part that is not there is kept whole.

    ``bases`` are the older bases that are kept all the same, ``archives`` the older days whose collected files are, and
    ``waves`` the (day, number) of older waves that are.
    """

    before: dict[Part, date]
    bases: frozenset[date] = frozenset()
    archives: frozenset[date] = frozenset()
    waves: frozenset[tuple[date, int]] = frozenset()

    def removes_base(self, day: date) -> bool:
        return self._is_before(Part.BASE, day) and day not in self.bases

    def removes_archive(self, day: date) -> bool:
        return self._is_before(Part.ARCHIVE, day) and day not in self.archives

    def removes_wave(self, day: date, number: int) -> bool:
        return self._is_before(Part.WAVES, day) and (day, number) not in self.waves

    def removes_steps(self, day: date) -> bool:
        return self._is_before(Part.STEPS, day)

    def removes_errors(self, day: date) -> bool:
        return self._is_before(Part.ERRORS, day)

    def _is_before(self, part: Part, day: date) -> bool:
        return part in self.before and day < self.before[part]


def plan_retention(retention: Retention, facts: Facts) -> Plan:
    """Decide what may go."""
    # A day that is to be made, or may be at any moment, and all after it.
    open_days = [*facts.stale, *facts.bases[-1:], *(wave.day for wave in facts.waves if wave.planned)]
    limit = min([*open_days, facts.today])

    def before(days: int | None, *others: date) -> date | None:
        return None if days is None else min(facts.today - timedelta(days=days), limit, *others)

    floor = before(retention.archive)
    if floor is not None and facts.floor is not None:
        floor = max(floor, facts.floor)  # what is gone does not come back when the document gives it more time
    found = {
        Part.STEPS: before(retention.steps),
        Part.ARCHIVE: floor,
        Part.BASE: None if floor is None else before(retention.base, floor),
        Part.WAVES: None if floor is None else before(retention.waves, floor),
        Part.ERRORS: before(retention.errors),
        Part.RUNS: before(retention.runs),
    }
    plan = Plan({part: day for part, day in found.items() if day is not None})
    if floor is None:
        return plan
    plan = replace(plan, bases=frozenset(_start(facts, floor)), waves=frozenset(_manager_waves(facts, floor)))
    if facts.imported is not None and not plan.removes_base(facts.imported):
        plan = replace(plan, archives=frozenset({facts.imported}))  # the agency's file, as long as its base is there
    return plan


def _start(facts: Facts, floor: date) -> list[date]:
    """The base that the first day that can be made again starts from."""
    return [day for day in facts.bases if day < floor][-1:]


def _manager_waves(facts: Facts, floor: date) -> list[tuple[date, int]]:
    """The waves that say what Manager had when the first day that can be made again began, and all after them."""
    sent = [wave for wave in facts.waves if wave.sent]
    earlier = [place for place, wave in enumerate(sent) if wave.day < floor]
    resets = [place for place in earlier if sent[place].resets]
    return [(wave.day, wave.number) for wave in sent[resets[-1] if resets else 0 :]]
