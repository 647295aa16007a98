"""How long a call to a file server may take, and who ends it when it takes longer.

Sockets have time limits of their own for each answer; a server that sends a byte now and then passes them all. What
is limited here is the call. Which errors follow is decided in ``file_server`` and the protocols' modules.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_AT_LEAST = 0.05  # seconds: no time at all means "at once" or "forever" to some


@dataclass(frozen=True)
class Patience:
    """How long a call may take, in seconds, and how often it is tried.

    ``call`` is for all of a call but the bytes of files, retries included; ``connect`` is the part of it for reaching
    a server and logging in. ``idle`` is the longest silence within a transfer. A transfer has no limit of its own but
    the slowest line we wait for: ``slowest`` bytes a second, so that a server that drips cannot hold a run forever.
    """

    call: float = 20.0
    connect: float = 10.0
    idle: float = 30.0
    slowest: float = 64 * 1024
    attempts: int = 3
    pause: float = 0.5  # before the second attempt, about; it doubles, with jitter


class Watch:
    """The time of one call: when it must be over, and by when something must have moved.

    A connection is broken off by ``guard`` when its time has passed, whatever it waits for; ``passed`` tells that from
    a connection that was lost.
    """

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.passed = False
        self._changed = threading.Condition()
        self._end = time.monotonic() + patience.call
        self._until = self._end
        self.moved()

    def remaining(self) -> float:
        """Seconds until the call must be over."""
        return max(0.0, self._end - time.monotonic())

    def connecting(self) -> float:
        """Seconds that reaching the server and logging in may take."""
        return max(_AT_LEAST, min(self.patience.connect, self.remaining()))

    def waiting(self) -> float:
        """Seconds that one answer may take."""
        return max(_AT_LEAST, self._until - time.monotonic())

    def moved(self) -> None:
        """Something came or went: the silence starts anew."""
        self._until = min(self._end, time.monotonic() + self.patience.idle)

    def transfer(self, size: int) -> None:
        """Give the call the time that so many bytes may take."""
        self._end += size / self.patience.slowest
        self.moved()

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Within the block all must be over in ``connect`` seconds, however often something moves."""
        end, self._end = self._end, min(self._end, time.monotonic() + self.patience.connect)
        self._look()
        try:
            yield
        finally:
            self._end = end
            self._look()

    def _look(self) -> None:
        """The silence starts anew, and whoever watches looks at the time again."""
        self.moved()
        with self._changed:
            self._changed.notify_all()

    @contextmanager
    def guard(self, abort: Callable[[], None]) -> Iterator[None]:
        """Call ``abort`` from another thread when the time has passed. The thread ends with the context."""
        done = False

        def run() -> None:
            with self._changed:
                while not done and (left := self._until - time.monotonic()) > 0:
                    self._changed.wait(left)
                if done:
                    return
                self.passed = True
            abort()

        thread = threading.Thread(target=run, name="atom-watch", daemon=True)
        self.moved()
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                done = True
                self._changed.notify_all()
            thread.join()
