"""The page and the plot of a run: docs/benchmarks.md and docs/benchmarks.svg."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.__main__ import Result

Tables = dict[tuple[str, bool], "list[Result]"]


def page(
    tables: Tables,
    of_rules: list[Result],
    growth: list[Result],
    *,
    contracts: int,
    machine: str,
    loads: tuple[float, float],
    limits: dict[str, float],
    stages: dict[str, float],
    rounds: int,
) -> str:
    """The page, as Markdown."""
    template = (Path(__file__).parent / "page.md").read_text()
    return template.format(
        machine=machine,
        rounds=rounds,
        load=f"{loads[0]:.1f} before, {loads[1]:.1f} after",
        readers="\n".join(_reader_table(shape, accents, results) for (shape, accents), results in tables.items()),
        growth=_growth_table(growth),
        contracts=f"{contracts:,}",
        rules=_rule_table(of_rules),
        limits=_rates(limits),
        stages=_stages(stages),
    )


def _reader_table(shape: str, accents: bool, results: list[Result]) -> str:
    title = f"### {shape}, {'accents in a fifth of the rows' if accents else 'ASCII only'}\n"
    head = (
        "| | file, MB | seconds | MB/s | rows/s | times as fast as it | processor, s | peak memory, MiB | same values |"
    )
    lines = [title, head, "|---|---:|---:|---:|---:|---:|---:|---:|---|"]
    ours = next((result for result in results if result.peer == "this project" and result.runs), None)
    for result in results:
        if not result.runs:
            lines.append(f"| {result.peer} | | | | | | | | {result.equal} |")
            continue
        ratio = f"{ours.speed / result.speed:.1f}" if ours and result is not ours else ""
        rows = result.rows / result.seconds
        lines.append(
            f"| {result.peer} | {result.megabytes:.0f} | {result.seconds:.2f} | {result.speed:.0f} | {rows:,.0f} "
            f"| {ratio} | {result.cpu:.2f} | {result.memory / 2**20:.0f} | {result.equal} |"
        )
    return "\n".join([*lines, ""])


def _rule_table(results: list[Result]) -> str:
    lines = [
        "| | seconds | this project's time is | peak memory, MiB | same base and events |",
        "|---|---:|---:|---:|---|",
    ]
    ours = results[0].seconds
    for result in results:
        ratio = "" if result is results[0] else f"{ours / result.seconds:.2f} of it"
        lines.append(
            f"| {result.peer} | {result.seconds:.2f} | {ratio} | {result.memory / 2**20:.0f} | {result.equal} |"
        )
    return "\n".join(lines)


def _growth_table(results: list[Result]) -> str:
    lines = ["| file, MB | seconds | MB/s | peak memory, MiB |", "|---:|---:|---:|---:|"]
    rows = [
        f"| {one.megabytes:,.0f} | {one.seconds:.1f} | {one.speed:.0f} | {one.memory / 2**20:.0f} |" for one in results
    ]
    return "\n".join([*lines, *rows])


def _rates(limits: dict[str, float]) -> str:
    lines = ["| | GB/s |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {name} | {rate / 1e9:.2f} |" for name, rate in limits.items())])


def _stages(stages: dict[str, float]) -> str:
    lines = ["| stage | MB of the file per second of one processor |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {stage} | {rate / 1e6:,.0f} |" for stage, rate in stages.items())])


def plot(tables: Tables, target: Path) -> None:
    """Bars of MB/s per contender, a panel per file, on a scale of tens."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "bench"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(tables), 1, figsize=(8, 1.9 * len(tables)), sharex=True, layout="constrained")
    for axis, ((shape, accents), results) in zip(axes, tables.items(), strict=True):
        measured = [result for result in results if result.runs][::-1]
        bars = axis.barh([result.peer for result in measured], [result.speed for result in measured])
        axis.bar_label(bars, fmt="%.0f", padding=3)
        axis.set_title(f"{shape}, {'accents' if accents else 'ASCII'}", loc="left", fontsize=10)
        axis.set_xscale("log")
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("MB/s to typed Parquet (median)")
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)
