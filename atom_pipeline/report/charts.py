"""The pictures of the report, by Matplotlib, as SVG that stands in the page.

They are read in black and white: hatches and labels tell bars apart, not colour alone. Equal numbers give equal SVG:
no date, no random names. Matplotlib takes half a second to import, so this module does it in its functions.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atom_pipeline.report.facts import Totals
from atom_pipeline.report.numbers import integer, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, PALE, BLUE = "#1b1f24", "#5b6470", "#d5dae0", "#2f5d8a"
WIDTH = 7.2  # inches
LABEL = 9.5
OUTLIER = 5  # a bar this many times as long as the others is cut
CUT = 0.25  # changes smaller than this part of the base are drawn with the axis cut


@dataclass(frozen=True)
class Picture:
    """``svg`` stands in the page; ``alt`` says what it shows."""

    svg: str
    alt: str


@dataclass(frozen=True)
class Bar:
    """A step of a waterfall: a level of its own (``total``), or a change of the one before."""

    label: str
    value: int
    total: bool = False


def waterfall(bars: Sequence[Bar], alt: str) -> Picture:
    """From one level to another, bar by bar. The axis is cut, and says so, where the changes are small."""
    spans: list[tuple[int, int]] = []
    level = 0
    for bar in bars:
        start = 0 if bar.total else level
        level = bar.value if bar.total else level + bar.value
        spans.append((start, level))
    levels = [end for _, end in spans]
    reach = max(levels) - min(levels)
    low = max(0.0, min(levels) - max(reach, 4) * 0.35) if reach < CUT * max(levels, default=1) else 0.0
    span = (max(levels) - low) or 1.0
    with _figure(0.42 * len(bars) + 0.5) as (figure, axes):
        for place, (bar, (start, end)) in enumerate(zip(bars, spans, strict=True)):
            left, right = max(min(start, end), low), max(start, end)
            style = _TOTAL if bar.total else _GROWS if bar.value >= 0 else _SHRINKS
            if right > left:
                axes.barh(place, right - left, left=left, height=0.62, **style)
            else:
                axes.plot([end, end], [place - 0.31, place + 0.31], color=GREY, linewidth=1)
            words = integer(bar.value) if bar.total else signed(bar.value)
            axes.text(right + span * 0.012, place, words, va="center", fontsize=LABEL, color=INK)
            if place + 1 < len(bars):
                axes.plot([end, end], [place + 0.31, place + 0.69], color=GREY, linewidth=0.8)
        axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
        axes.invert_yaxis()
        axes.set_xlim(low, low + span * 1.14)
        axes.set_xticks([])
        if low:
            axes.set_xlabel(f"eixo cortado: começa em {integer(low)}", fontsize=8, color=GREY, loc="left")
        _bare(axes)
        return Picture(_svg(figure, alt), alt)


_TOTAL: dict[str, Any] = {"color": BLUE, "edgecolor": INK, "linewidth": 0.6}
_GROWS: dict[str, Any] = {"facecolor": PALE, "edgecolor": INK, "linewidth": 0.6}
_SHRINKS: dict[str, Any] = {"facecolor": "white", "edgecolor": INK, "linewidth": 0.6, "hatch": "////"}


def history(days: Sequence[Totals], entered: Sequence[int], left: Sequence[int], alt: str) -> Picture:
    """The open base of working days, with what entered and left below it. All three have one value per day."""
    with _figure(3.7, rows=2, ratios=(3, 2)) as (figure, both):
        upper, lower = both
        places = list(range(len(days)))
        opened, active = [one.open_base for one in days], [one.active for one in days]
        marker = "o" if len(days) < 12 else ""
        upper.plot(places, opened, color=INK, linewidth=1.8, marker=marker, markersize=3.5, label="base aberta")
        upper.plot(
            places, active, color=BLUE, linewidth=1.4, linestyle="--", marker=marker, markersize=3, label="ativos"
        )
        upper.margins(y=0.22)
        lower.bar(places, entered, width=0.7, label="entraram", **_GROWS)
        lower.bar(places, [-one for one in left], width=0.7, label="saíram", **_SHRINKS)
        _clip(lower, entered, left)
        lower.axhline(0, color=INK, linewidth=0.8)
        step = max(1, -(-len(days) // 10))
        shown = [place for place in places if (len(days) - 1 - place) % step == 0]
        lower.set_xticks(shown, [f"{days[place].day:%d/%m}" for place in shown])
        for axes in (upper, lower):
            axes.set_xlim(-0.6, max(len(days), 6) - 0.4)
            axes.yaxis.set_major_locator(_few())
            axes.yaxis.set_major_formatter(lambda value, _place: integer(abs(value)))
            axes.grid(axis="y", color=PALE, linewidth=0.6)
            axes.set_axisbelow(True)
            axes.legend(
                loc="upper left", ncols=2, frameon=False, fontsize=8.5, borderaxespad=0, bbox_to_anchor=(0, 1.2)
            )
            _bare(axes)
        return Picture(_svg(figure, alt), alt)


def _clip(axes: Axes, entered: Sequence[int], left: Sequence[int]) -> None:
    """Cut bars that would flatten all others, as of the day on which a base begins, and tell their numbers."""
    sizes = sorted((*entered, *left))
    usual = max((size for size in sizes if size * OUTLIER <= sizes[-1]), default=0)
    if not usual:
        return
    limit = usual * 1.6
    above, below = max(entered) > limit, max(left) > limit
    axes.set_ylim(-limit if below or max(left) else 0, limit if above or max(entered) else 0)
    for numbers, side, align in ((entered, limit, "top"), (left, -limit, "bottom")):
        for place, value in enumerate(numbers):
            if value > limit:
                axes.text(place + 0.45, side, f"{integer(value)} ↕", va=align, fontsize=8.5, color=INK)


def bars(values: Mapping[str, int], alt: str, *, parts: Mapping[str, int] | None = None, other: str = "") -> Picture:
    """Horizontal bars with their numbers; ``parts`` are drawn at each bar's end and told with the word ``other``."""
    rest = parts or {}
    largest = max((value + rest.get(name, 0) for name, value in values.items()), default=0) or 1
    with _figure(0.34 * max(len(values), 1) + 0.3) as (figure, axes):
        for place, (name, value) in enumerate(values.items()):
            more = rest.get(name, 0)
            axes.barh(place, value, height=0.66, **_TOTAL)
            if more:
                axes.barh(place, more, left=value, height=0.66, **_SHRINKS)
            words = integer(value) + (f"  + {integer(more)} {other}" if more else "")
            axes.text(value + more + largest * 0.012, place, words, va="center", fontsize=LABEL, color=INK)
        axes.set_yticks(range(len(values)), list(values))
        axes.invert_yaxis()
        axes.set_xlim(0, largest * (1.34 if any(rest.values()) else 1.16))
        axes.set_xticks([])
        _bare(axes)
        return Picture(_svg(figure, alt), alt)


def _few() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=4, integer=True)


@contextmanager
def _figure(height: float, *, rows: int = 1, ratios: Sequence[float] = (1,)) -> Iterator[tuple[Figure, Any]]:
    """A figure of the page's width. What Matplotlib is set to elsewhere does not reach it."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_settings(), fname=None):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        made = figure.subplots(rows, 1, sharex=rows > 1, gridspec_kw={"height_ratios": list(ratios)})
        yield figure, made


def _settings() -> Any:
    return {
        "svg.hashsalt": "atom",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": LABEL,
        "axes.edgecolor": GREY,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "hatch.linewidth": 0.7,
        "text.parse_math": False,
    }


def _bare(axes: Axes) -> None:
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)


_HEAD = re.compile(r"<svg\b[^>]*?(viewBox=\"[^\"]+\")[^>]*>", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_FONT = re.compile(r"font: ([0-9.]+)px [^;\"]+")
_NAMES = re.compile(r'((?:id=|xlink:href=)"#?|url\(#)')


def _svg(figure: Figure, alt: str) -> str:
    """The figure as an element of a page: its size is the page's, its fonts the page's, and it tells what it shows."""
    from html import escape

    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    text = _METADATA.sub("", text[text.index("<svg") :])
    told = escape(alt)
    text = _HEAD.sub(rf'<svg \1 role="img" aria-label="{told}"><title>{told}</title>', text, count=1)
    own = hashlib.sha256(text.encode()).hexdigest()[:8]  # several pictures stand in one page
    return _NAMES.sub(rf"\1p{own}-", _FONT.sub(r"font: \1px sans-serif", text))
