"""What the machine can do, and how fast each stage of the reader is alone, in one thread and in this very run."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from atom_pipeline.layout.blocks import Block, BlockReader
from atom_pipeline.layout.characters import CharacterCheck
from atom_pipeline.layout.compiled.decoder import QuickDecoder, look_over
from atom_pipeline.layout.convert import RecordPlan
from atom_pipeline.layout.fixed import QUICK_BLOCK_BYTES
from atom_pipeline.layout.storing import COMPRESSION_LEVEL
from bench.inputs import Input

PROBED = 256 * 1024 * 1024
TRIES = 3


def machine() -> str:
    """Processor, memory, system and versions, in a line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = psutil.virtual_memory().total / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def load() -> float:
    """How many processes wanted the processors in the last minute."""
    return os.getloadavg()[0]


def limits(folder: Path) -> dict[str, float]:
    """Bytes per second: memory copied, memory touched for the first time, disk written and read."""
    source, target = np.ones(PROBED, dtype=np.uint8), np.ones(PROBED, dtype=np.uint8)
    found = {"memory, copied": _best(lambda: np.copyto(target, source))}
    found["memory, touched for the first time"] = _best(lambda: np.ones(PROBED, dtype=np.uint8))
    path = folder / "probe"

    def write() -> None:
        with path.open("wb") as stream:
            stream.write(source.data)
            os.fsync(stream.fileno())

    def read() -> None:
        with path.open("rb", buffering=0) as stream:
            while stream.readinto(target.data):
                pass

    found["disk, written and synced"] = _best(write)
    found["file, read from the system's cache"] = _best(read)
    if hasattr(os, "posix_fadvise"):

        def read_cold() -> None:
            with path.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            read()

        found["file, read from the disk"] = _best(read_cold)
    path.unlink()
    return found


def stages(made: Input, folder: Path) -> dict[str, float]:
    """Bytes of the file per second of one processor, of each stage of reading it to Parquet."""
    plan = RecordPlan(made.layout.versions[-1].records[0])
    decoder = QuickDecoder(plan, "latin-1")
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], object]) -> object:
        started = time.thread_time()
        given = work()
        seconds[stage] = seconds.get(stage, 0.0) + time.thread_time() - started
        return given

    frames: list[pl.DataFrame] = []
    with made.path.open("rb") as stream:
        reader = BlockReader(stream, "latin-1", name=made.path.name, block_bytes=QUICK_BLOCK_BYTES, look=look_over)
        characters = CharacterCheck("latin-1", made.path.name)
        while True:
            block = timed("bytes into blocks of lines", reader.next_block)
            if not isinstance(block, Block):
                break
            timed("which bytes may stand", lambda block=block: characters.clean(block))  # type: ignore[misc]
            rows = np.arange(block.height)
            timed("cells, by the loops", lambda block=block, rows=rows: decoder.usual(block, rows))  # type: ignore[misc]
            decoded = timed("cells and all that is wrong with them", lambda b=block, r=rows: decoder.decode(b, r))  # type: ignore[misc]
            frames.append(decoded.frame)  # type: ignore[attr-defined]
    frame = pl.concat(frames)
    started = time.process_time()
    frame.write_parquet(folder / "stage.parquet", compression="zstd", compression_level=COMPRESSION_LEVEL)
    seconds["Parquet"] = time.process_time() - started
    return {stage: made.bytes / spent for stage, spent in seconds.items()}


def _best(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(TRIES):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return PROBED / best
