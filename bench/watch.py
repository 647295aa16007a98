"""Running a module in its own process and looking, some fifty times a second, at what it has used so far."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

LOOK_EVERY = 0.02  # seconds


@dataclass(frozen=True)
class Sample:
    """Up to a moment (Unix time): processor seconds, bytes read and written by calls; memory (RSS, bytes) now."""

    at: float
    cpu: float
    memory: int
    read: int
    written: int


def watched(module: str, task: dict[str, Any], *, profile: Path | None = None) -> tuple[dict[str, Any], list[Sample]]:
    """Run ``python -m module`` with a task as JSON; its last line, JSON too, and the samples taken meanwhile.

    Raises RuntimeError when it fails. PostgreSQL, a process of its own, is not among the figures.
    """
    started = time.time()
    process = subprocess.Popen([sys.executable, "-m", module, json.dumps(task)], stdout=subprocess.PIPE, text=True)
    spy = _spied(process.pid, profile) if profile else None
    samples = [Sample(started, 0.0, 0, 0, 0)]
    done = threading.Event()
    watcher = threading.Thread(target=_look, args=(psutil.Process(process.pid), samples, done))
    watcher.start()
    try:
        out, _ = process.communicate()
    finally:
        done.set()
        watcher.join()
        if spy is not None:
            spy.wait()
    samples.append(Sample(time.time(), samples[-1].cpu, 0, samples[-1].read, samples[-1].written))
    if process.returncode:
        raise RuntimeError(f"{module} failed with {process.returncode}")
    return json.loads(out.splitlines()[-1]), samples


def _look(process: psutil.Process, samples: list[Sample], done: threading.Event) -> None:
    while not done.wait(LOOK_EVERY):
        try:
            with process.oneshot():
                times, memory, moved = process.cpu_times(), process.memory_info().rss, process.io_counters()
        except psutil.Error:
            return
        samples.append(Sample(time.time(), times.user + times.system, memory, moved.read_chars, moved.write_chars))


def _spied(pid: int, profile: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [Path(sys.executable).with_name("py-spy"), "record", "--pid", str(pid), "--format", "raw", "--rate",
         "50", "--native", "--output", str(profile)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
