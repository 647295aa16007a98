"""The processes of an `atom up`: started in order, watched, stopped, and found again when an earlier one was killed.

Every process that comes of them inherits a mark in its environment, which says whose it is: a run's process has no
other tie to the `atom up` that began it. What the services are is in ``up``, what becomes of their runs in
``recovery``.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Any, Self

import psutil

from atom_pipeline.cli.console import console
from atom_pipeline.errors import AtomError

CHILD = Path(__file__).with_name("child.py")
MARK = "ATOM_UP"
_PAUSE = 0.25  # seconds between two looks at the processes
_TO_END = 30.0  # seconds that a process has to end after it was asked to
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Role(StrEnum):
    """What an `atom up` runs: both, or one of them as a service of its own."""

    DAEMON = "daemon"
    UI = "ui"


@dataclass(frozen=True)
class Service:
    """A process to run; the next one starts when ``ready`` says so.

    One that ``makes_runs`` is the parent of the runs' processes, and ends by itself, once asked to, after them.
    """

    name: str
    role: Role
    command: Sequence[str]
    ready: Callable[[], bool] = lambda: True
    makes_runs: bool = False


class Stopping:
    """Whether a person, or the system, asked to stop. Asked twice: without waiting for what is under way."""

    def __init__(self) -> None:
        self.asked = 0
        self._event = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            before = signal.getsignal(number)
            # A terminal that is closed does not stop what was told not to mind (nohup). Ctrl-C stops also what a script
            # began in its background, which came to ignore it and would hand that on to its children.
            if number != signal.SIGHUP or before is not signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def __bool__(self) -> bool:
        return self.asked > 0

    def wait(self, seconds: float) -> bool:
        """Wait a while, or until asked to stop; returns whether it was."""
        return self._event.wait(seconds)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        self._event.set()


class Services:
    """Processes that live and end together, all of one installation (``installation``)."""

    def __init__(self, services: Sequence[Service], installed: str, *, cwd: Path, stopping: Stopping) -> None:
        self._services = services
        self._installed = installed
        self._cwd = cwd
        self._stopping = stopping
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, started: Callable[[], None], looks: Mapping[Callable[[], None], float]) -> None:
        """Start them in order, say so, and watch them until asked to stop. Whatever happens, they are stopped.

        ``looks`` are called again and again, each after so many seconds; one that raises stops all. Raises AtomError
        when a process ends by itself.
        """
        try:
            if all(self._start(service) for service in self._services):
                started()
            looked = dict.fromkeys(looks, time.monotonic())
            while not self._stopping.wait(_PAUSE):
                self._refuse_ended()
                for look, seconds in looks.items():
                    if time.monotonic() - looked[look] >= seconds:
                        look()
                        looked[look] = time.monotonic()
        finally:
            self._stop()

    def _start(self, service: Service) -> bool:
        """Start one and wait until it is ready. False when asked to stop before that."""
        if self._stopping:
            return False
        # A session of its own: Ctrl-C in a terminal reaches this process alone, which ends the others in order.
        self._running[service.name] = subprocess.Popen(
            [sys.executable, "-I", str(CHILD), str(os.getpid()), *service.command],
            cwd=self._cwd,
            env={**os.environ, MARK: mark(self._installed, service.role), "PYTHONWARNINGS": _quiet()},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not service.ready():
            self._refuse_ended()
            if self._stopping.wait(_PAUSE):
                return False
        return True

    def _refuse_ended(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                raise AtomError(f"Dagster's {name} ended by itself: its last lines above say why")

    def _stop(self) -> None:
        """End the last one first, and what comes of them; runs under way are waited for unless asked again."""
        for service in reversed(self._services):
            process = self._running.get(service.name)
            if process is None:
                continue
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            if service.makes_runs:
                self._wait_for_runs(process)
            try:
                process.wait(_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        mine = {mark(self._installed, service.role) for service in self._services}
        end(process for process, found in _marked() if found in mine)

    def _wait_for_runs(self, process: subprocess.Popen[bytes]) -> None:
        asked, told = self._stopping.asked, False
        while process.poll() is None and (runs := run_processes(process.pid)):
            if self._stopping.asked > asked:
                end(runs)
                return
            if not told:
                console.print(
                    f"{len(runs)} run(s) under way are finished first; Ctrl-C again ends them", soft_wrap=True
                )
                told = True
            time.sleep(_PAUSE)


def run_processes(parent: int) -> list[psutil.Process]:
    """The processes of the runs that a code server has begun and that are under way."""
    try:
        children = psutil.Process(parent).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def installation(home: Path, database: str) -> str:
    """Which installation processes are of: a home and a database."""
    return hashlib.sha256(f"{home.resolve()}\0{database}".encode()).hexdigest()[:16]


def mark(installed: str, role: Role) -> str:
    """The mark of the processes of a role that this very process starts."""
    return f"{installed}:{role.value}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def leftovers(installed: str, role: Role) -> list[psutil.Process]:
    """Processes of a role of an installation whose `atom up` is gone, on this machine."""
    mine = f"{installed}:{role.value}:"
    return [process for process, found in _marked() if found.startswith(mine) and not _lives(found.removeprefix(mine))]


def end(processes: Iterable[psutil.Process]) -> None:
    """Ask processes to end, then end those that did not."""
    alive = list(processes)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in alive:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        _, alive = psutil.wait_procs(alive, timeout=_TO_END)


def _marked() -> Iterable[tuple[psutil.Process, str]]:
    for process in psutil.process_iter():
        try:
            found = process.environ().get(MARK)
        except psutil.Error:  # another user's, or gone meanwhile
            continue
        if found:
            yield process, found


def _quiet() -> str:
    """Dagster leaves the queues between a code server and its runs to the end, and Python warns of them then."""
    mine = "ignore:resource_tracker:UserWarning"
    return ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), mine)))


def _lives(supervisor: str) -> bool:
    pid, _, began = supervisor.partition(":")
    return is_running(int(pid), float(began))


def is_running(pid: int, began: float) -> bool:
    """Whether the process that began then is still there, and not another that got its number."""
    try:
        return bool(abs(psutil.Process(pid).create_time() - began) < 1.0)
    except psutil.Error:
        return False
