"""`atom explain` and `atom diff` on years of days of a large portfolio, as commands: seconds and memory.

    python -m bench.explain --home FOLDER [--contracts 1000000] [--days 400] [--only-make | --only-measure]

Making the lake takes minutes, measuring one. The database is up meanwhile, as it is where `atom up` runs. *Cold* is
after the lake's files were put out of the system's cache.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.limits import load, machine
from bench.long_lake import LongLake, contrato, files_of, make
from bench.measure import memory_of
from bench.watch import LOOK_EVERY
from resources.runtime import PortfolioRuntime, open_portfolios
from resources.settings import Settings

COMMAND = (sys.executable, "-c", "from atom_pipeline.cli import main; main()")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="an ATOM_HOME of its own; remove it afterwards")
    parser.add_argument("--contracts", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--written", type=int, default=20, help="days with files of their own")
    parser.add_argument("--copied", type=int, default=120, help="days with copies of those; the rest are links")
    parser.add_argument("--remessa", type=float, default=4_800, metavar="MB", help="size of the newest remessa")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-make", action="store_true")
    parser.add_argument("--only-measure", action="store_true")
    given = parser.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    settings = Settings.from_env({"ATOM_HOME": str(given.home)})
    with open_portfolios(settings) as portfolios:
        (runtime,) = portfolios.values()
        if not given.only_measure:
            started = time.perf_counter()
            shape = LongLake(given.contracts, given.days, given.written, given.copied, given.remessa)
            make(runtime, shape)
            print(f"made in {time.perf_counter() - started:.0f} s")
        if not given.only_make:
            measure(runtime, given.contracts, given.rounds)


def measure(runtime: PortfolioRuntime, contracts: int, rounds: int) -> None:
    """Print a table of medians."""
    days = [base.day for base in runtime.ledger.bases()]
    middle = contrato(contracts // 2)
    phones = runtime.lake.scan("telefones_contato", days[-1]).select("telefone").collect()
    questions = {
        "atom --help": ("--help",),
        "explain CONTRATO": ("explain", middle),
        "explain CONTRATO --records 0": ("explain", middle, "--records", "0"),
        "explain --cpf": ("explain", "--cpf", middle.zfill(11), "--records", "0"),
        "explain --telefone": ("explain", "--telefone", str(phones["telefone"][-1]), "--records", "0"),
        f"diff, {days[-2]} to {days[-1]}": ("diff", f"{days[-2]}", f"{days[-1]}"),
        f"diff, {days[0]} to {days[-1]}": ("diff", f"{days[0]}", f"{days[-1]}"),
    }
    print(f"{machine()}; load {load():.1f}; {len(days)} days, {contracts} contracts")
    print(f"{'question':36} {'wall s':>7} {'cpu s':>7} {'cold s':>7} {'MiB':>7}")
    for name, words in questions.items():
        cold = _run(runtime, words, cold=True)
        found = [_run(runtime, words) for _ in range(rounds)]
        walls, cpus, most = (median(column) for column in zip(*found, strict=True))
        print(f"{name:36} {walls:7.2f} {cpus:7.2f} {cold[0]:7.2f} {most:7.0f}")


def _run(runtime: PortfolioRuntime, words: tuple[str, ...], *, cold: bool = False) -> tuple[float, float, float]:
    """Wall and processor seconds of a command, and its most memory in MiB."""
    if cold:
        for path in files_of(runtime):
            with path.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    environment = {**os.environ, "ATOM_HOME": str(runtime.settings.home), "COLUMNS": "200"}
    started, most = time.perf_counter(), 0
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen([*COMMAND, *words], env=environment, stdout=subprocess.DEVNULL, stderr=told)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            most = max(most, memory_of(process.pid))
            time.sleep(LOOK_EVERY)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        if process.returncode:
            told.seek(0)
            raise SystemExit(f"{' '.join(words)}: {told.read().decode()}")
    return seconds, ended[2].ru_utime + ended[2].ru_stime, most / 2**20


if __name__ == "__main__":
    main()
