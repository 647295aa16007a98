"""``python -m bench.overheads``: what a user waits for beside the work itself. Prints a table.

Each is a process of its own and is done several times; the least wall and processor seconds count.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.day import remove_home
from bench.watch import watched

DAY = date(2023, 7, 3)
FILES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overheads", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=FILES, help="in the drop that the sensor looks at")
    parser.add_argument("--tick", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tick is not None:
        tick(arguments.tick, arguments.files)
        return
    print("| | seconds | processor, s |\n|---|---:|---:|")
    atom = str(Path(sys.executable).with_name("atom"))
    _tell("`atom --help`", lambda: _timed([atom, "--help"]), arguments.rounds)
    load = [sys.executable, "-c", "import atom_pipeline.definitions"]
    _tell("loading the code location", lambda: _timed(load), arguments.rounds)
    _tell_all([_empty_day() for _ in range(arguments.rounds)])
    _tell_all([_ticks(arguments.files) for _ in range(arguments.rounds)])


def _tell_all(rounds: list[dict[str, tuple[float, float]]]) -> None:
    for what in rounds[0]:
        found = [one[what] for one in rounds]
        _tell(what, lambda found=found: (min(s for s, _ in found), min(c for _, c in found)), 1)  # type: ignore[misc]


def _tell(what: str, measured: Callable[[], tuple[float, float]], rounds: int) -> None:
    seconds, cpu = (min(one) for one in zip(*(measured() for _ in range(rounds)), strict=True))
    print(f"| {what} | {seconds:.2f} | {cpu:.2f} |", flush=True)


def _timed(command: list[str]) -> tuple[float, float]:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _empty_day() -> dict[str, tuple[float, float]]:
    """A first day of which nothing came, in a home of its own."""
    home = Path(tempfile.mkdtemp())
    try:
        (home / "drop").mkdir()
        task = {"home": str(home), "drop": str(home / "drop"), "day": f"{DAY:%Y-%m-%d}"}
        told, samples = watched("bench.one_day", task)
    finally:
        remove_home(home)
    start, end = told["steps"][0][1], told["steps"][-1][2]
    inside = [one for one in samples if start <= one.at <= end]
    return {
        "a day without files, from its process's start to its end": (samples[-1].at - samples[0].at, samples[-1].cpu),
        "of it the day's job": (told["job_seconds"], inside[-1].cpu - inside[0].cpu),
    }


def _ticks(files: int) -> dict[str, tuple[float, float]]:
    home = Path(tempfile.mkdtemp())
    try:
        command = [sys.executable, "-m", "bench.overheads", "--tick", str(home), "--files", str(files)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finally:
        remove_home(home)
    return {
        f"{what} over {files:,} files": (seconds, cpu)
        for what, (seconds, cpu) in json.loads(out.splitlines()[-1]).items()
    }


def tick(home: Path, files: int) -> None:
    """Two looks of the drop's sensor at so many files that are new: seconds and processor seconds of each."""
    os.environ.update(ATOM_HOME=str(home), ATOM_DROP_URL=f"file://{home / 'drop'}")
    import dagster as dg

    from assets.build import build_defs
    from atom_pipeline.cli.running import dagster_instance
    from atom_pipeline.garbage import nothing_is_garbage
    from atom_pipeline.layout.names import build_name
    from resources.runtime import open_portfolios
    from resources.settings import Settings
    from sensors.build import sensors_over
    from sensors.drop import drop_sensor_name
    from sensors.opened import OpenedOnce

    settings = Settings.from_env()
    (home / "drop").mkdir()
    told: dict[str, Any] = {}
    with open_portfolios(settings) as portfolios:
        [runtime] = portfolios.values()
        layout = runtime.catalogue.layouts["remessa_assessoria"]
        first = datetime(DAY.year, DAY.month, DAY.day, 19)
        for number in range(files):
            stamp = first + timedelta(seconds=number % 3600, days=number // 3600)
            name = build_name(layout, stamp=stamp, ascob=runtime.portfolio.ascob)
            (home / "drop" / name).write_bytes(b"x")
        with dagster_instance(settings, runtime.postgres_url) as instance:
            with nothing_is_garbage():  # as ``atom_pipeline.definitions``
                repository = build_defs(settings, sensors=sensors_over(OpenedOnce(settings))).get_repository_def()
            sensor, cursor = drop_sensor_name(runtime.name), None
            for what in ("the sensor's first look", "its second look"):
                started, used = time.perf_counter(), time.process_time()
                with dg.build_sensor_context(
                    instance=instance, cursor=cursor, repository_def=repository, sensor_name=sensor
                ) as context:
                    cursor = repository.get_sensor_def(sensor).evaluate_tick(context).cursor
                told[what] = [time.perf_counter() - started, time.process_time() - used]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
