"""What the servers have in common: where they are, and the faults that a test asks them for."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from resources.access import Access

USER, PASSWORD = "evo", "s3gr edo/#@ção"
Step = Literal["connect", "login", "list", "stat", "read", "write", "rename", "replace", "remove"]
What = Literal["hang", "drop", "refuse", "short"]


@dataclass
class Fault:
    """What goes wrong at a step: no answer any more, the connection cut, a refusal, or less than there is and no error.

    ``after`` is the byte of a transfer from which on, ``times`` how often (always when it is None), ``words`` what the
    server says when it refuses.
    """

    step: Step
    what: What
    after: int = 0
    times: int | None = None
    words: str = ""


@dataclass
class Faults:
    """The faults that are asked for now, and how often each step was reached. Servers run in threads of their own."""

    counts: Counter[str] = field(default_factory=Counter)
    _asked: dict[str, Fault] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, step: Step, what: What, *, after: int = 0, times: int | None = None, words: str = "") -> None:
        with self._lock:
            self._asked[step] = Fault(step, what, after, times, words)

    def clear(self) -> None:
        with self._lock:
            self._asked.clear()
            self.counts.clear()

    def reached(self, step: Step) -> None:
        with self._lock:
            self.counts[step] += 1

    def due(self, step: Step, until: int | None = None) -> Fault | None:
        """The fault to show now, a time less to show; ``until`` is the byte that a transfer is about to reach."""
        with self._lock:
            fault = self._asked.get(step)
            if fault is None or fault.times == 0 or (until is not None and until <= fault.after):
                return None
            if fault.times is not None:
                fault.times -= 1
            return fault


@dataclass(frozen=True)
class Served:
    """A server that runs: its folder ``root`` on disk is ``url`` from outside, for who has ``access``."""

    url: str
    access: Access
    root: Path
    host: str
    port: int
    faults: Faults = field(default_factory=Faults)


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that accepts and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])
