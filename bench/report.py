"""The page and the plot of a run: docs/benchmarks/readers.md and readers.svg, of what the parts found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Result = dict[str, Any]
_PAGE = Path(__file__).parent / "page.md"
OURS = "this project"


def page(found: dict[str, dict[str, Any]]) -> str:
    """The page, as Markdown. A part that was never measured says so."""
    texts = {
        "readers": lambda part: "\n".join(_reader_table(table) for table in part["tables"]),
        "rules": _rule_table,
        "growth": lambda part: _growth_table(part["results"]),
        "limits": lambda part: f"{_rates(part['limits'])}\n\n{_stages(part['stages'])}",
    }
    parts = {
        name: f"{_circumstances(found[name])}\n\n{text(found[name])}" if name in found else "Not measured yet."
        for name, text in texts.items()
    }
    picture = "![MB/s](readers.svg)" if "readers" in found else ""
    return _PAGE.read_text().format(plot=picture, **parts)


def _circumstances(part: dict[str, Any]) -> str:
    return f"*{part['machine']}; medians of {part['rounds']} rounds; load average {part['load']}.*"


def _reader_table(table: dict[str, Any]) -> str:
    title = f"### {table['shape']}, {'accents in a fifth of the rows' if table['accents'] else 'ASCII only'}\n"
    head = (
        "| | file, MB | seconds | MB/s | rows/s | times as fast as it | processor, s | peak memory, MiB | same values |"
    )
    lines = [title, head, "|---|---:|---:|---:|---:|---:|---:|---:|---|"]
    results: list[Result] = table["results"]
    ours = next((result for result in results if result["peer"] == OURS and result["runs"]), None)
    for result in results:
        if not result["runs"]:
            lines.append(f"| {result['peer']} | | | | | | | | {result['equal']} |")
            continue
        ratio = f"{ours['speed'] / result['speed']:.1f}" if ours and result is not ours else ""
        lines.append(
            f"| {result['peer']} | {result['megabytes']:.0f} | {result['seconds']:.2f} | {result['speed']:.0f} "
            f"| {result['rows'] / result['seconds']:,.0f} | {ratio} | {result['cpu']:.2f} "
            f"| {result['memory'] / 2**20:.0f} | {result['equal']} |"
        )
    return "\n".join([*lines, ""])


def _rule_table(part: dict[str, Any]) -> str:
    lines = [
        f"Contracts of the base: {part['contracts']:,}.",
        "",
        "| | seconds | this project's time is | peak memory, MiB | same base and events |",
        "|---|---:|---:|---:|---|",
    ]
    ours = part["results"][0]
    for result in part["results"]:
        if not result["runs"]:
            lines.append(f"| {result['peer']} | | | | {result['equal']} |")
            continue
        ratio = "" if result is ours else f"{ours['seconds'] / result['seconds']:.2f} of it"
        lines.append(
            f"| {result['peer']} | {result['seconds']:.2f} | {ratio} | {result['memory'] / 2**20:.0f} "
            f"| {result['equal']} |"
        )
    return "\n".join(lines)


def _growth_table(results: list[Result]) -> str:
    lines = ["| file, MB | seconds | MB/s | peak memory, MiB |", "|---:|---:|---:|---:|"]
    rows = [
        f"| {one['megabytes']:,.0f} | {one['seconds']:.1f} | {one['speed']:.0f} | {one['memory'] / 2**20:.0f} |"
        for one in results
    ]
    return "\n".join([*lines, *rows])


def _rates(limits: dict[str, float]) -> str:
    lines = ["| | GB/s |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {name} | {rate / 1e9:.2f} |" for name, rate in limits.items())])


def _stages(stages: dict[str, float]) -> str:
    lines = ["| stage | MB of the file per second of one processor |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {stage} | {rate / 1e6:,.0f} |" for stage, rate in stages.items())])


def plot(tables: list[dict[str, Any]], target: Path) -> None:
    """Bars of MB/s per contender, a panel per file, on a scale of tens."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "bench"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(tables), 1, figsize=(8, 1.9 * len(tables)), sharex=True, layout="constrained")
    for axis, table in zip(axes, tables, strict=True):
        measured = [result for result in table["results"] if result["runs"]][::-1]
        bars = axis.barh([result["peer"] for result in measured], [result["speed"] for result in measured])
        axis.bar_label(bars, fmt="%.0f", padding=3)
        axis.set_title(f"{table['shape']}, {'accents' if table['accents'] else 'ASCII'}", loc="left", fontsize=10)
        axis.set_xscale("log")
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("MB/s to typed Parquet (median)")
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)
