"""``make bench``: make the inputs, prove that all read the same, run all in turn, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import shutil
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from bench import limits, report, rules
from bench.inputs import SHAPES, Input, make_input
from bench.measure import PeerMissing, Run, run

DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class Peer:
    """A contender. ``share`` of the file is what it reads: a slow one would take the night for all of it."""

    key: str
    name: str
    share: float = 1.0
    once: bool = False


PEERS = (
    Peer("ours", "this project"),
    Peer("polars", "Polars str.slice"),
    Peer("duckdb", "DuckDB substring", share=0.25, once=True),
    Peer("pandas", "pandas read_fwf", share=0.25, once=True),
    Peer("spark", "PySpark substring, local", share=0.02, once=True),
)
PROVEN_MEGABYTES = 5.0


@dataclass
class Result:
    """The runs of one contender on one file."""

    peer: str
    megabytes: float
    rows: int
    equal: str = ""
    runs: list[Run] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        return statistics.median(run.cpu for run in self.runs)

    @property
    def speed(self) -> float:
        """Megabytes per second."""
        return self.megabytes / self.seconds

    @property
    def memory(self) -> int:
        return max(run.memory for run in self.runs)


def main() -> None:
    arguments = _arguments()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    before = limits.load()
    tables: dict[tuple[str, bool], list[Result]] = {}
    for shape in SHAPES:
        for accents in (False, True):
            tables[shape, accents] = _readers(shape, accents, arguments)
    of_rules = _rules(arguments)
    growth = [_grown(megabytes, folder) for megabytes in arguments.growth]
    whole = make_input("280 fields", accents=False, megabytes=arguments.megabytes, folder=folder)
    text = report.page(
        tables,
        of_rules,
        growth,
        contracts=arguments.contracts,
        machine=limits.machine(),
        loads=(before, limits.load()),
        limits=limits.limits(folder),
        stages=limits.stages(whole, folder),
        rounds=arguments.rounds,
    )
    arguments.docs.mkdir(parents=True, exist_ok=True)
    report.plot(tables, arguments.docs / "benchmarks.svg")
    (arguments.docs / "benchmarks.md").write_text(text)
    print(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--megabytes", type=float, default=300, help="size of each file that is read")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contracts", type=int, default=500_000, help="contracts of the base for the day's rules")
    parser.add_argument(
        "--growth", type=float, nargs="*", default=[500.0], help="sizes at which this project's memory is measured"
    )
    parser.add_argument("--peers", default=",".join(peer.key for peer in PEERS), help="which contenders, by key")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="where the files are")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the page goes")
    return parser.parse_args()


def _readers(shape: str, accents: bool, arguments: argparse.Namespace) -> list[Result]:
    """All contenders on one file, in turn, as many rounds as asked."""
    folder: Path = arguments.folder
    wanted = [peer for peer in PEERS if peer.key in arguments.peers.split(",")]
    small = make_input(shape, accents=accents, megabytes=PROVEN_MEGABYTES, folder=folder)
    results: dict[str, Result] = {}
    for peer in wanted:
        made = make_input(shape, accents=accents, megabytes=arguments.megabytes * peer.share, folder=folder)
        results[peer.key] = Result(peer.name, made.bytes / 1e6, made.rows, _proof(peer, small, folder))
    for number in range(arguments.rounds):
        for peer in wanted:
            result = results[peer.key]
            if result.equal == "yes" and not (peer.once and number):
                try:
                    result.runs.append(_read(peer, shape, accents, arguments.megabytes * peer.share, folder))
                except PeerMissing as missing:
                    result.equal = str(missing)
                    continue
                print(f"{shape}, accents {accents}, {peer.name}: {result.runs[-1].seconds:.2f} s", flush=True)
    return list(results.values())


def _grown(megabytes: float, folder: Path) -> Result:
    """This project alone on an accented 280-field file, once."""
    made = make_input("280 fields", accents=True, megabytes=megabytes, folder=folder)
    result = Result("this project", made.bytes / 1e6, made.rows, "")
    result.runs.append(_read(PEERS[0], made.shape, made.accents, megabytes, folder))
    print(f"{megabytes:.0f} MB: {result.seconds:.2f} s, {result.memory / 2**20:.0f} MiB", flush=True)
    return result


def _read(peer: Peer, shape: str, accents: bool, megabytes: float, folder: Path) -> Run:
    target = folder / f"out_{peer.key}.parquet"
    _remove(target)
    return run({
        "peer": peer.key, "shape": shape, "accents": accents, "megabytes": megabytes, "folder": str(folder),
        "target": str(target),
    })  # fmt: skip


def _proof(peer: Peer, small: Input, folder: Path) -> str:
    """ "yes" when a peer's values are ours in every row that we accept; else why not."""
    try:
        _read(peer, small.shape, small.accents, PROVEN_MEGABYTES, folder)
    except PeerMissing as missing:
        return str(missing)
    found = _output(folder / f"out_{peer.key}.parquet")
    if peer.key == "ours":
        shutil.copy(folder / "out_ours.parquet", folder / "expected.parquet")
        return "yes"
    expected = _output(folder / "expected.parquet")
    found = found.join(expected.select("contrato"), on="contrato", how="semi")
    expected = expected.drop("linha", "registro").sort("contrato")
    found = found.select(expected.columns).sort("contrato")
    different = [name for name in expected.columns if not expected[name].equals(found[name].cast(expected[name].dtype))]
    return "yes" if not different else f"differs in {', '.join(different[:3])}"


def _output(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path / "*.parquet" if path.is_dir() else path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _rules(arguments: argparse.Namespace) -> list[Result]:
    folder: Path = arguments.folder / "rules"
    rules.make_tables(arguments.contracts, folder)
    results = {name: Result(name, 0.0, arguments.contracts) for name in rules.CONTENDERS}
    expected: tuple[pl.DataFrame, pl.DataFrame] | None = None
    for _ in range(arguments.rounds):
        for name, result in results.items():
            result.runs.append(run({"rules": name, "folder": str(folder)}))
            print(f"rules, {name}: {result.runs[-1].seconds:.2f} s", flush=True)
            if not result.equal:
                out = tuple(pl.read_parquet(folder / f"out_{table}.parquet") for table in ("contratos", "movimentos"))
                expected = expected or (out[0], out[1])
                result.equal = "yes" if rules.same(expected, (out[0], out[1])) else "no"
    return list(results.values())


if __name__ == "__main__":
    main()
