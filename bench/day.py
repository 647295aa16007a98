"""``python -m bench.day``: one whole working day through Dagster, asset by asset: seconds, processor, memory, bytes.

Two days of invented files are made once per size. The first day makes a base; the second one, of the same size, with
parcelas and garantias of every contract, starts from it and is measured: it is collected from the drop and then run by
the day's own job, in a process of its own. Every round starts from the same base again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.sample import generate
from bench import limits
from bench.inputs import LAYOUTS, SEED
from bench.watch import Sample, watched
from resources.postgres import data_folder

AHEAD = 7  # instalments of a contract that are to come, at least: twelve in all on an average
PART = ".part"
PREPARING, COLLECT = "(start)", "(collect)"


@dataclass(frozen=True)
class Stage:
    """What one step of a day took: wall and processor seconds, the most memory while it ran, bytes read and written."""

    name: str
    seconds: float
    cpu: float
    memory: int
    read: int
    written: int


@dataclass(frozen=True)
class DayRun:
    """A day that was run: its steps in order, the start of the process and the collection first."""

    stages: tuple[Stage, ...]
    seconds: float  # from the start of the process to its end
    hash: str  # of the base
    facts: dict[str, Any]

    @property
    def job(self) -> float:
        """Seconds of the day's job: the process's start and the collection are not in it."""
        return float(self.facts["job_seconds"])

    @property
    def memory(self) -> int:
        return max(stage.memory for stage in self.stages)

    @property
    def cpu(self) -> float:
        return sum(stage.cpu for stage in self.stages)


def inputs(contracts: int, folder: Path) -> tuple[list[str], list[Path]]:
    """The two days and the folder of files of each, made if they are not there."""
    target = folder / str(contracts)
    told = target / "days.json"
    if not told.exists():
        making = folder / f"{contracts}{PART}"
        shutil.rmtree(making, ignore_errors=True)
        report = generate(
            load_catalogue(LAYOUTS), contracts=contracts, days=2, seed=SEED, target=making, all_enriched=True,
            ahead=AHEAD,
        )  # fmt: skip
        for place, one in enumerate(report.reports, start=1):
            (target / f"day{place}").mkdir(parents=True, exist_ok=True)
            for file in one.files:
                (making / file.name).rename(target / f"day{place}" / file.name)
        making.rmdir()
        told.write_text(json.dumps([f"{day:%Y-%m-%d}" for day in report.days]))
    return json.loads(told.read_text()), [target / "day1", target / "day2"]


def base_before(contracts: int, folder: Path) -> tuple[Path, DayRun | None]:
    """The home in which the first day is made, and its run when it was made just now.

    Its files and their archive, which nothing reads again, are removed: they are as large as the second day's.
    """
    home = folder / str(contracts) / "base"
    if (home / "done").exists():
        return home, None
    days, drops = inputs(contracts, folder)
    if home.exists():
        remove_home(home)
    made = run_day(home, drops[0], days[0])
    shutil.rmtree(home / "arquivo")
    shutil.rmtree(drops[0])
    (home / "done").touch()
    return home, made


def second_day(contracts: int, folder: Path, *, profile: Path | None = None) -> DayRun:
    """Run the second day over a fresh copy of the base; what it made stays in ``<folder>/<contracts>/run``."""
    base, _ = base_before(contracts, folder)
    days, drops = inputs(contracts, folder)
    home = folder / str(contracts) / "run"
    if home.exists():
        remove_home(home)
    copy_home(base, home)
    made = run_day(home, drops[1], days[1], profile=profile)
    for path in (home / "cache").rglob("*.o"):  # what was compiled is there the next time
        kept = base / path.relative_to(home)
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, kept)
    return made


def copy_home(source: Path, target: Path) -> None:
    """A home like another: the lake's files are linked, for each is replaced and none is changed."""
    target.mkdir(parents=True)
    for part in ("lake", "manager", "dagster", "cache"):
        if (source / part).exists():
            shutil.copytree(source / part, target / part, copy_function=os.link)
    copied = shutil.copytree(data_folder(source), data_folder(target), dirs_exist_ok=True)
    owner = data_folder(source).stat()
    for path in (copied, *copied.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod((data_folder(source) / path.relative_to(copied)).stat().st_mode)


def remove_home(home: Path) -> None:
    shutil.rmtree(data_folder(home), ignore_errors=True)
    shutil.rmtree(home)


def run_day(home: Path, drop: Path, day: str, *, profile: Path | None = None) -> DayRun:
    """Collect and make a day in a process of its own, and tell what each step took."""
    told, samples = watched("bench.one_day", {"home": str(home), "drop": str(drop), "day": day}, profile=profile)
    edges = [(PREPARING, samples[0].at, told["collect"][0]), (COLLECT, *told["collect"])]
    edges += [(name, start, end) for name, start, end in told["steps"]]
    stages = tuple(_stage(name, start, end, samples) for name, start, end in edges)
    return DayRun(stages, samples[-1].at - samples[0].at, told["hash"], told)


def _stage(name: str, start: float, end: float, samples: list[Sample]) -> Stage:
    inside = [one for one in samples if start <= one.at <= end]
    first = max((one for one in samples if one.at <= start), key=lambda one: one.at, default=samples[0])
    last = max((one for one in samples if one.at <= end), key=lambda one: one.at, default=samples[-1])
    return Stage(
        name,
        end - start,
        last.cpu - first.cpu,
        max((one.memory for one in [first, *inside]), default=0),
        last.read - first.read,
        last.written - first.written,
    )


def table(run: DayRun) -> str:
    """The steps of a day as Markdown."""
    lines = [
        "| step | seconds | processor, s | peak memory, MiB | read, MB | written, MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name.partition('__')[2] or one.name} | {one.seconds:.2f} | {one.cpu:.2f} | {one.memory / 2**20:.0f} "
        f"| {one.read / 1e6:.0f} | {one.written / 1e6:.0f} |"
        for one in run.stages
    ]
    lines.append(
        f"| the day's job | {run.job:.2f} | {run.cpu:.2f} | {run.memory / 2**20:.0f} "
        f"| {sum(one.read for one in run.stages) / 1e6:.0f} | {sum(one.written for one in run.stages) / 1e6:.0f} |"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.day", description=__doc__)
    parser.add_argument("--contracts", type=int, nargs="+", default=[100_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/bench/days"))
    parser.add_argument("--only", choices=("files", "base"), help="make the files, or files and base, and stop")
    parser.add_argument("--profile", type=Path, help="py-spy's speedscope file of the last round")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.absolute()
    print(f"{limits.machine()}; load {limits.load():.1f}", flush=True)
    for contracts in arguments.contracts:
        inputs(contracts, folder)
        if arguments.only == "files":
            continue
        _, first = base_before(contracts, folder)
        if first is not None:
            print(f"\n{contracts:,} contracts, the first day: {first.seconds:.1f} s\n\n{table(first)}", flush=True)
        for _ in range(0 if arguments.only == "base" else arguments.rounds):
            run = second_day(contracts, folder, profile=arguments.profile)
            print(f"\n{contracts:,} contracts, the second day: {run.seconds:.1f} s, base {run.hash[:16]}")
            print(f"failed: {run.facts['failed'] or 'nothing'}; rows {run.facts['rows']}\n\n{table(run)}", flush=True)


if __name__ == "__main__":
    main()
