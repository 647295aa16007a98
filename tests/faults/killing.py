"""Processes that are killed (SIGKILL) before a durable effect of their choosing, and start in a moment.

A *durable effect* is what is still there after the process is gone: a file that gets its name (in the lake, the
archive, the drop or Manager's folder) or loses it, and a commit of the ledger. Between two of them a kill leaves the
same world behind, so a kill before each of them is a kill everywhere. One more is no effect for a reader, who must not
see it: half of a table's bytes under a name of their own.

``Nursery`` is a process that has imported everything and does nothing but fork: a child of it works on a home as a
process of its own, and its end is that of the process that makes a day, without the seconds of its start. The effects
are seen from inside, by wrapping what Python renames and removes files with and by SQLAlchemy's own events; the product
has no hook for it. What a child did is on disk in the order in which it did it.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resources.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
_UNFINISHED = re.compile(r"/\..*$")  # what is hidden is being written, and has another name each time
MOST_KILLS = 40  # more is a name that is another each time
_WRITES = re.compile(r"^\s*(insert into|update|delete from)\s+controle\.(\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class Work:
    """What a child does: a function of this module by its name, on the home of an agency."""

    task: str
    home: str
    layouts: str
    portfolio: str
    postgres_url: str
    now: str  # the present moment, ISO with its zone
    day: str = ""
    only: tuple[str, ...] = ()  # assets, as the lake names their tables; all of the day when empty
    spared: tuple[str, ...] = ()  # effects that it survives, as ``Ended.effects`` names them
    mortal: str = ""  # pattern of the effects that may kill it; none when empty
    struck_by: tuple[str, ...] = ()  # a command that is run before each such effect instead of the kill
    largest_file: int = 0  # bytes of the largest file that it may write; any when 0
    most_memory: int = 0  # bytes of memory that it may ask for besides what it has; any when 0


@dataclass(frozen=True)
class Ended:
    """How a child ended: killed before an effect, or by itself. ``effects`` are those that happened before."""

    killed_before: str | None
    success: bool
    failures: tuple[str, ...]
    effects: tuple[str, ...]


@dataclass(frozen=True)
class Nursery:
    """A process that forks children; see ``nursery``."""

    process: subprocess.Popen[str]

    def kill_in_turn(self, work: Work, after: Callable[[str], None]) -> list[str]:
        """Do the work, killed before each of its mortal effects in turn, each time after the kill before.

        ``after`` looks at what a kill left, and is told before what it was. Returns those effects, in order; the last
        time nothing kills the work, and it must succeed.
        """
        killed: list[str] = []
        while len(killed) < MOST_KILLS:
            ended = self.run(replace(work, spared=tuple(killed)))
            if ended.killed_before is None:
                assert ended.success, ended.failures
                return killed
            killed.append(ended.killed_before)
            after(ended.killed_before)
        raise AssertionError(f"killed again and again: {killed}")

    def run(self, work: Work) -> Ended:
        """Do the work in a child, and wait for its end."""
        assert self.process.stdin is not None and self.process.stdout is not None
        told = Path(work.home).with_suffix(".did")
        self.process.stdin.write(json.dumps(asdict(work)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the nursery has ended"
        status = json.loads(answer)["status"]
        said = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
        told.unlink()
        effects = [one["effect"] for one in said if "effect" in one]
        end = next((one for one in said if "success" in one), None)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL, f"signal {os.WTERMSIG(status)}"
            assert end is None
            return Ended(effects[-1], False, (), tuple(effects[:-1]))
        assert end is not None, f"the child ended with {status} and said nothing"
        return Ended(None, end["success"], tuple(end["failures"]), tuple(effects))


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery for as long as the block lasts."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ATOM_", "DAGSTER_"))}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    with subprocess.Popen(
        [sys.executable, __file__],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:  # its end closes the pipes, at which the nursery ends
        yield Nursery(process)


# In the nursery and its children.


def watch(home: str, act: Callable[..., None]) -> None:
    """Call ``act`` before every durable effect of this process under ``home`` and in the ledger, with its name.

    When half of a table is written, ``act`` gets what makes it half as well.
    """
    import polars as pl
    from sqlalchemy import event
    from sqlalchemy.engine import Connection, Engine

    def named(path: Any) -> str | None:
        text = str(Path(path).absolute())
        return _UNFINISHED.sub("/(unfinished)", text[len(home) + 1 :]) if text.startswith(f"{home}{os.sep}") else None

    def wrap(name: str, kind: str, place: int) -> None:
        plain = getattr(os, name)

        def effective(*args: Any, **options: Any) -> Any:
            what = named(args[place])
            if what is not None and os.path.lexists(args[0]):
                act(f"{kind} {what}")
            return plain(*args, **options)

        setattr(os, name, effective)

    for name, kind, place in (
        ("replace", "name", 1),
        ("rename", "name", 1),
        ("link", "name", 1),
        ("remove", "remove", 0),
        ("unlink", "remove", 0),
    ):
        wrap(name, kind, place)

    sink_parquet = pl.LazyFrame.sink_parquet

    def sink(frame: pl.LazyFrame, file: Any, *args: Any, **options: Any) -> Any:
        sunk = sink_parquet(frame, file, *args, **options)
        if isinstance(file, str | Path) and (what := named(file)) is not None:
            act(f"half {what}", lambda: os.truncate(file, Path(file).stat().st_size // 2))
        return sunk

    pl.LazyFrame.sink_parquet = sink  # type: ignore[method-assign]

    @event.listens_for(Engine, "after_cursor_execute")
    def note(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if found := _WRITES.match(statement):
            connection.info["written"] = f"{found[1].split()[0].lower()} {found[2]}"

    @event.listens_for(Engine, "commit")
    def commit(connection: Connection) -> None:
        written = connection.info.pop("written", None)
        if written is not None:
            act(f"commit {written}")


def collect_drop(work: Work) -> list[str]:
    """Collect what is in the drop; returns what went wrong."""
    from resources.collect import collect
    from resources.runtime import open_portfolios

    with open_portfolios(_settings(work)) as portfolios:
        one = portfolios[work.portfolio]
        report = collect(one.drop, one.catalogue, one.ledger, one.archive, one.calendar, pause=0, others=one.others)
    return [*(f"{error.name}: {error.message}" for error in report.errors), *report.unstable]


def _settings(work: Work) -> Settings:
    from resources.settings import Settings, file_url

    home = Path(work.home)
    return Settings(home, file_url(home / "drop"), file_url(home / "manager"), Path(work.layouts), work.postgres_url)


def read_files(work: Work) -> list[str]:
    """Read the day's files of the layouts ``only`` as their assets do."""
    from assets.loading import load_day
    from assets.receive import write_day
    from resources.runtime import open_portfolios

    day = date.fromisoformat(work.day)
    with open_portfolios(_settings(work)) as portfolios:
        runtime = portfolios[work.portfolio]
        for name in work.only:
            layout = runtime.catalogue.layouts[name]
            write_day(runtime, layout, day, load_day(runtime, layout, day))
    return []


def make_day(work: Work) -> list[str]:
    """Make a day, or some assets of it, by Dagster's job; returns what stopped it."""
    from agency import agency, failures

    from assets.common import asset_key

    with agency(
        Path(work.home),
        work.postgres_url,
        layouts=Path(work.layouts),
        portfolio=work.portfolio,
        now=datetime.fromisoformat(work.now),
    ) as house:
        only = [asset_key(work.portfolio, *path.split("/")) for path in work.only]
        result = house.run(date.fromisoformat(work.day), only=only)
        return [] if result.success else failures(result) or ["it could not start"]


def collect_and_make_day(work: Work) -> list[str]:
    return collect_drop(work) or make_day(work)


TASKS: dict[str, Callable[[Work], Sequence[str]]] = {
    task.__name__: task for task in (collect_drop, read_files, make_day, collect_and_make_day)
}


def _child(work: Work) -> None:
    """Do the work, saying before each effect what it is; at the first one that is mortal and not spared, die.

    Or run the command ``struck_by`` at each of them, and go on.
    """
    told = os.open(Path(work.home).with_suffix(".did"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    mortal = re.compile(work.mortal) if work.mortal else None

    def say(**what: Any) -> None:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits[1], limits[1]))  # what is told is none of the work
        os.write(told, (json.dumps(what) + "\n").encode())
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    seen: Counter[str] = Counter()
    named = "the start"

    def act(kind: str, last_deed: Callable[[], None] | None = None) -> None:
        nonlocal named
        if kind.startswith("name "):
            named = kind.removeprefix("name ")
        else:
            kind = f"{kind} after {named}"  # of many commits, which
        seen[kind] += 1
        effect = f"{kind} #{seen[kind]}" if seen[kind] > 1 else kind
        say(effect=effect)
        if mortal is None or not mortal.search(effect) or effect in work.spared:
            return
        if work.struck_by:
            subprocess.run(work.struck_by, check=True, capture_output=True)
            return
        if last_deed is not None:
            last_deed()
        os.kill(os.getpid(), signal.SIGKILL)

    watch(work.home, act)
    if work.most_memory:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        resource.setrlimit(
            resource.RLIMIT_AS, (pages * resource.getpagesize() + work.most_memory, resource.RLIM_INFINITY)
        )
    if work.largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (work.largest_file, resource.RLIM_INFINITY))
    try:
        failures = list(TASKS[work.task](work))
    except BaseException:
        failures = [traceback.format_exc()]
    say(success=not failures, failures=failures)


def _main() -> None:
    import warnings

    warnings.simplefilter("ignore")
    os.fsync = lambda _descriptor: None  # a kill is no power cut
    import agency  # noqa: F401  everything else comes with it
    import dagster as dg
    import pandera.polars  # noqa: F401

    from assets.build import build_defs
    from resources.settings import PROJECT_ROOT, Settings

    # Once here, so that no child loads modules or reads documents. Nothing that is computed: Polars' own threads
    # would not be there in a child.
    for layouts in (PROJECT_ROOT / "layouts", PROJECT_ROOT / "tests" / "portfolios"):
        build_defs(Settings(Path("/nowhere"), "", "", layouts))
    dg.DagsterInstance.ephemeral().dispose()
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    assert not [name for name in threads if re.match(r"polars-[0-9]|tokio", name)], "something was computed by Polars"

    for line in sys.stdin:
        given = json.loads(line)
        work = Work(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            _child(work)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": status}), flush=True)


if __name__ == "__main__":
    _main()
