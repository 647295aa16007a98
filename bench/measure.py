"""Running a contender in its own process and watching its memory."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

import psutil

LOOK_EVERY = 0.25  # seconds: looking at all processes takes time from those that are measured


@dataclass(frozen=True)
class Run:
    """One run: wall and processor seconds of the call, and the most memory (RSS, bytes) of the process and its own."""

    seconds: float
    cpu: float
    memory: int


class PeerMissing(Exception):
    """A peer cannot run here; the message says why."""


def run(task: dict[str, Any], longest: int = 300) -> Run:
    """Run ``bench.one``, so many seconds at most. Raises PeerMissing when it fails."""
    command = [sys.executable, "-m", "bench.one", json.dumps(task)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    most = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(LOOK_EVERY):
            most = max(most, memory_of(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        out, errors = process.communicate(timeout=longest)
    except subprocess.TimeoutExpired:
        _end(process.pid)
        raise PeerMissing(f"not done in {longest} s") from None
    finally:
        done.set()
        watcher.join()
    if process.returncode:
        raise PeerMissing(_reason(errors))
    told = json.loads(out.splitlines()[-1])
    return Run(told["seconds"], told["cpu"], max(most, told["memory"]))


def memory_of(pid: int) -> int:
    """RSS of a process and those it started."""
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.Error:  # it ended while it was looked at
        return total
    return total


def _end(pid: int) -> None:
    """Kill a process and those it started."""
    root = psutil.Process(pid)
    for process in (*root.children(recursive=True), root):
        process.kill()
    root.wait()


def _reason(errors: str) -> str:
    if "JAVA_GATEWAY_EXITED" in errors or "Java gateway" in errors:
        return "it needs Java, which is not here"
    lines = [line for line in errors.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it ended without a word"
