"""The portfolios as the sensors of one code location share them: opened at the first tick, and kept between ticks.

Opening migrates the ledger and reads every document, which is too much for every ten seconds. The connections are
checked before use, so a PostgreSQL that was restarted is found again; an opening that failed is tried anew.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack

from resources.runtime import Clock, PortfolioRuntime, open_portfolios
from resources.settings import Settings


class OpenedOnce:
    """Opens portfolios when one is first asked for. Safe between threads, since sensors tick side by side."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or Settings.from_env()
        self._clock = clock
        self._held = ExitStack()
        self._opened: Mapping[str, PortfolioRuntime] | None = None
        self._lock = threading.Lock()

    def portfolio(self, name: str) -> PortfolioRuntime:
        with self._lock:
            if self._opened is None:
                self._opened = self._held.enter_context(open_portfolios(self.settings, clock=self._clock))
            return self._opened[name]
