"""``make bench``: make the inputs, prove that all read the same, run all in turn, write docs/benchmarks/readers.md.

It comes in parts (``--only``). What a part found is kept beside the inputs, and the page is made of the newest of each.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from bench import limits, report, rules
from bench.inputs import SHAPES, Input, make_input
from bench.measure import PeerMissing, Run, run

DOCS = Path(__file__).parents[1] / "docs" / "benchmarks"
PARTS = ("readers", "rules", "growth", "limits")


@dataclass(frozen=True)
class Peer:
    """A contender. ``share`` of the file is what it reads: a slow one would take the night for all of it.

    ``once``: in the first round alone. With no share at all it is measured while it is proven. ``longest``: seconds of
    a run.
    """

    key: str
    name: str
    share: float = 1.0
    once: bool = False
    longest: int = 300


PEERS = (
    Peer("ours", "this project"),
    Peer("polars", "Polars str.slice"),
    Peer("duckdb", "DuckDB substring", share=0.1, once=True),
    Peer("pandas", "pandas read_fwf", share=0.1, once=True),
    Peer("spark", "PySpark substring, local", share=0, once=True, longest=60),
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
    arguments.folder.mkdir(parents=True, exist_ok=True)
    found = _kept(arguments.folder)
    for part in arguments.only.split(","):
        started, before = time.perf_counter(), limits.load()
        result = {"readers": _all_readers, "rules": _rules, "growth": _growth, "limits": _limits}[part](arguments)
        loads = f"{before:.1f} before, {limits.load():.1f} after"
        found[part] = {"load": loads, "rounds": arguments.rounds, "machine": limits.machine(), **result}
        (arguments.folder / f"{part}.json").write_text(json.dumps(found[part]))
        print(f"{part}: {time.perf_counter() - started:.0f} s in all", flush=True)
    arguments.docs.mkdir(parents=True, exist_ok=True)
    text = report.page(found)
    (arguments.docs / "readers.md").write_text(text)
    if "readers" in found:
        report.plot(found["readers"]["tables"], arguments.docs / "readers.svg")
    print(text)


def _kept(folder: Path) -> dict[str, dict[str, Any]]:
    """What earlier runs found, by part."""
    paths = {part: folder / f"{part}.json" for part in PARTS}
    return {part: json.loads(path.read_text()) for part, path in paths.items() if path.exists()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="which parts are measured anew, of all: %(default)s")
    parser.add_argument("--megabytes", type=float, default=300, help="size of each file that is read")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contracts", type=int, default=500_000, help="contracts of the base for the day's rules")
    parser.add_argument(
        "--growth", type=float, nargs="*", default=[500.0, 5000.0], help="sizes at which this project is measured alone"
    )
    parser.add_argument("--peers", default=",".join(peer.key for peer in PEERS), help="which contenders, by key")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="where the files are")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the page goes")
    arguments = parser.parse_args()
    if strange := set(arguments.only.split(",")) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(strange))}; there are {', '.join(PARTS)}")
    return arguments


def _all_readers(arguments: argparse.Namespace) -> dict[str, Any]:
    tables = [
        {"shape": shape, "accents": accents, "results": _told(_readers(shape, accents, arguments))}
        for shape in SHAPES
        for accents in (False, True)
    ]
    return {"tables": tables}


def _limits(arguments: argparse.Namespace) -> dict[str, Any]:
    whole = make_input("280 fields", accents=False, megabytes=arguments.megabytes, folder=arguments.folder)
    return {"limits": limits.limits(arguments.folder), "stages": limits.stages(whole, arguments.folder)}


def _growth(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"results": _told([_grown(megabytes, arguments.folder) for megabytes in arguments.growth])}


def _told(results: list[Result]) -> list[dict[str, Any]]:
    """Results for the page: with what follows from their runs, where there are any."""
    told = []
    for result in results:
        measured = (
            {name: getattr(result, name) for name in ("seconds", "cpu", "speed", "memory")} if result.runs else {}
        )
        told.append(asdict(result) | measured)
    return told


def _readers(shape: str, accents: bool, arguments: argparse.Namespace) -> list[Result]:
    """All contenders on one file, in turn, as many rounds as asked."""
    folder: Path = arguments.folder
    wanted = [peer for peer in PEERS if peer.key in arguments.peers.split(",")]
    small = make_input(shape, accents=accents, megabytes=PROVEN_MEGABYTES, folder=folder)
    results: dict[str, Result] = {}
    for peer in wanted:
        made = make_input(shape, accents=accents, megabytes=arguments.megabytes * peer.share, folder=folder)
        equal, proof = _proof(peer, small, folder)
        results[peer.key] = Result(peer.name, made.bytes / 1e6, made.rows, equal)
        if not peer.share and proof:
            results[peer.key] = Result(peer.name, small.bytes / 1e6, small.rows, equal, [proof])
    for number in range(arguments.rounds):
        for peer in wanted:
            result = results[peer.key]
            if result.equal == "yes" and peer.share and not (peer.once and number):
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
    made.path.unlink()  # it may be most of a disk
    print(f"{megabytes:.0f} MB: {result.seconds:.2f} s, {result.memory / 2**20:.0f} MiB", flush=True)
    return result


def _read(peer: Peer, shape: str, accents: bool, megabytes: float, folder: Path) -> Run:
    target = folder / f"out_{peer.key}.parquet"
    _remove(target)
    task = {"peer": peer.key, "shape": shape, "accents": accents, "megabytes": megabytes}
    return run(task | {"folder": str(folder), "target": str(target)}, longest=peer.longest)


def _proof(peer: Peer, small: Input, folder: Path) -> tuple[str, Run | None]:
    """ "yes" when a peer's values are ours in every row that we accept, else why not; and the run that shows it."""
    try:
        proof = _read(peer, small.shape, small.accents, PROVEN_MEGABYTES, folder)
    except PeerMissing as missing:
        return str(missing), None
    found = _output(folder / f"out_{peer.key}.parquet")
    if peer.key == "ours":
        shutil.copy(folder / "out_ours.parquet", folder / "expected.parquet")
        return "yes", proof
    expected = _output(folder / "expected.parquet")
    found = found.join(expected.select("contrato"), on="contrato", how="semi")
    expected = expected.drop("linha", "registro").sort("contrato")
    found = found.select(expected.columns).sort("contrato")
    if found.height != expected.height:
        return f"{found.height} of {expected.height} rows", None
    different = [name for name in expected.columns if not expected[name].equals(found[name].cast(expected[name].dtype))]
    return ("yes", proof) if not different else (f"differs in {', '.join(different[:3])}", None)


def _output(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path / "*.parquet" if path.is_dir() else path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _rules(arguments: argparse.Namespace) -> dict[str, Any]:
    folder: Path = arguments.folder / "rules"
    rules.make_tables(arguments.contracts, folder)
    results = {name: Result(name, 0.0, arguments.contracts) for name in rules.CONTENDERS}
    expected: tuple[pl.DataFrame, pl.DataFrame] | None = None
    for _ in range(arguments.rounds):
        for name, result in results.items():
            try:
                result.runs.append(run({"rules": name, "folder": str(folder)}))
            except PeerMissing as missing:
                result.equal = str(missing)
                continue
            print(f"rules, {name}: {result.runs[-1].seconds:.2f} s", flush=True)
            if not result.equal:
                out = tuple(pl.read_parquet(folder / f"out_{table}.parquet") for table in ("contratos", "movimentos"))
                expected = expected or (out[0], out[1])
                result.equal = "yes" if rules.same(expected, (out[0], out[1])) else "no"
    return {"contracts": arguments.contracts, "results": _told(list(results.values()))}


if __name__ == "__main__":
    main()
