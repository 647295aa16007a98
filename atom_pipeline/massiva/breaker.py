"""The circuit breaker: stop when OMNE fails massively, try one message after a pause, go on when it is taken.

It counts the last outcomes. A new process feeds it the outcomes on the record, so that starting again is no way round
it. ``pace`` is how many messages may be on their way: one at first, twice as many after each that is taken, so that a
start against a dead OMNE costs one message and not a handful.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from atom_pipeline.portfolio import MassivaBreaker


class Breaker:
    """``limit`` is the portfolio's concurrency; ``openings`` counts how often it opened without a message between."""

    def __init__(self, config: MassivaBreaker, limit: int, outcomes: Iterable[tuple[datetime, bool]] = ()) -> None:
        """``outcomes`` are (moment, failed) on the record, oldest first; the last ``config.window`` count."""
        self.config, self.limit = config, limit
        self.openings = 0
        self.pace = 1
        self._last: deque[bool] = deque(maxlen=config.window)
        self._open_until: datetime | None = None
        self._probing = False
        for at, failed in outcomes:
            self.record(failed, at)
        self.openings, self.pace = 0, 1

    def record(self, failed: bool, at: datetime) -> None:
        """The outcome of one attempt. What was on its way when the breaker opened does not close it."""
        self._last.append(failed)
        probe = self._probing or (self._open_until is not None and at >= self._open_until)
        if not failed:
            self.pace = min(self.limit, self.pace * 2)
            if probe:
                self._last.clear()
                self._probing, self._open_until, self.openings = False, None, 0
            return
        self.pace = max(1, self.pace // 2)
        if probe or self._too_many():
            self._open(at)

    def open_until(self, now: datetime) -> datetime | None:
        """Until when nothing may be sent; None when something may. After the pause, one message at a time."""
        if self._open_until is None:
            return None
        if now < self._open_until:
            return self._open_until
        self._open_until, self._probing, self.pace = None, True, 1
        return None

    @property
    def given_up(self) -> bool:
        """It opened as often as the portfolio allows in one run."""
        return self.openings >= self.config.openings

    def _too_many(self) -> bool:
        count = len(self._last)
        return count >= self.config.at_least and sum(self._last) >= self.config.failures * count

    def _open(self, at: datetime) -> None:
        if self._open_until is None or self._probing or at >= self._open_until:
            self.openings += 1
        self._open_until = at + timedelta(seconds=self.config.pause_seconds)
        self._probing = False
        self._last.clear()
