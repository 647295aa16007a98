"""Which row goes next, and when: arrival order, hours by state, attempts that wait for their time, the rate.

Pure but for the clock that is given. What was sent and what came of it is the ledger's.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from datetime import datetime

from atom_pipeline.massiva.hours import may_send, next_opening
from atom_pipeline.portfolio import Massivas


class Queue:
    """Places of rows, from 0, each with the states whose hours it keeps to (``"SP|MG"``)."""

    def __init__(self, ufs: Sequence[str], later: Sequence[tuple[datetime, int]], massivas: Massivas) -> None:
        """``later`` are the rows that were tried before, by when they may be tried again; the others are fresh."""
        self._massivas, self._ufs = massivas, ufs
        self._later = list(later)
        heapq.heapify(self._later)
        tried = {place for _, place in later}
        self._fresh: dict[str, deque[int]] = {}
        for place, states in enumerate(ufs):
            if place not in tried:
                self._fresh.setdefault(states, deque()).append(place)
        self._open: dict[str, bool] = {}

    def put_back(self, place: int, at: datetime) -> None:
        """A row that may be tried again from ``at`` on."""
        heapq.heappush(self._later, (at, place))

    def look_at_the_hours(self) -> None:
        """Forget which states were open: time has passed."""
        self._open.clear()

    def take(self, count: int, now: datetime) -> list[int]:
        """Up to ``count`` places that may go now: those to be tried again first, then as they arrived."""
        taken: list[int] = []
        closed: list[tuple[datetime, int]] = []
        while self._later and len(taken) < count and self._later[0][0] <= now:
            at, place = heapq.heappop(self._later)
            if self._may(self._ufs[place], now):
                taken.append(place)
            else:
                closed.append((at, place))
        for item in closed:
            heapq.heappush(self._later, item)
        ready = [places for states, places in self._fresh.items() if places and self._may(states, now)]
        while ready and len(taken) < count:
            first = min(ready, key=lambda places: places[0])
            taken.append(first.popleft())
            ready = [places for places in ready if places]
        return taken

    def next_moment(self, now: datetime, until: datetime) -> datetime | None:
        """When the first row that waits may go, up to ``until``; None when none may."""
        moments: list[datetime] = []
        for states, places in self._fresh.items():
            if places:
                opening = next_opening(states.split("|"), now, self._massivas, until)
                moments += [opening] if opening is not None else []
        for at, place in self._later[:1]:
            opening = next_opening(self._ufs[place].split("|"), max(at, now), self._massivas, until)
            moments += [opening] if opening is not None else []
        return min(moments, default=None)

    def _may(self, states: str, now: datetime) -> bool:
        if states not in self._open:
            self._open[states] = may_send(states.split("|"), now, self._massivas)
        return self._open[states]


class Rate:
    """So many a second, without bursts: what was not used in a tenth of a second is lost. Seconds are monotonic."""

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second, self._most = per_second, max(1.0, per_second / 10)
        self._tokens, self._at = 1.0, now

    def allowed(self, now: float) -> int:
        """How many may go now."""
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        return int(self._tokens)

    def use(self, count: int) -> None:
        self._tokens -= count

    def seconds_to_next(self) -> float:
        """How long until one more may go."""
        return max(0.0, (1 - self._tokens) / self._per_second)
