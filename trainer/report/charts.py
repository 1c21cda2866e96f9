"""Plots as SVG text, the same on every machine.

Names in them may be Chinese, or anything: see `trainer.report.lettering`.
What is not there, None or not a number, is left out or hatched; it is never drawn as a zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from trainer.evaluation.intervals import Interval
from trainer.report.lettering import STYLE, Lettering, folded, width

WIDTH: Final = 4.7
"""Inches; two plots fit side by side on a page."""
WIDE: Final = 6.6
FONT_SIZE: Final = 9
NAME_EMS: Final = 17.0
"""Names of rows are folded at this."""
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
"""Told apart by the colour-blind, too (Okabe and Ito)."""
MARKS: Final = ("o", "s", "^", "D", "v", "P", "X")
DASHES: Final = ("-", "--", "-.", ":")
MOST_OVERLAID: Final = 3
"""More histograms than these stand below each other."""
MOST_DRAWN_POINTS: Final = 3000
"""More points are one picture within the plot: each is an element otherwise."""
BAD_COLOURS: Final = LinearSegmentedColormap.from_list("bad", ["#f7fbf7", "#fde7c8", "#f19a6b", "#c62828", "#7f0d1b"])
NOTHING_FACE: Final = "#ececec"
NOTHING_HATCH: Final = "////"


def interval_bars(bars: Mapping[str, Interval | None], title: str, label: str, *, line: float | None = None) -> str:
    """Means with their intervals, one a name below each other, with their figures; ``line``: what they compare with."""
    with _figure(WIDE, 0.95 + 0.3 * max(1, len(bars))) as (figure, lettering):
        axes = figure.add_subplot()
        known = {name: bar for name, bar in bars.items() if bar is not None and math.isfinite(bar.mean)}
        ends = [end for bar in known.values() for end in (bar.low, bar.mean, bar.high) if math.isfinite(end)]
        low, high = _limits([*ends, *([] if line is None else [line])])
        axes.set_xlim(low, high)
        axes.set_ylim(len(bars) - 0.5, -0.5)
        if line is not None:
            axes.axvline(line, color="#666666", linewidth=1, linestyle="--", zorder=1)
        for row, name in enumerate(bars):
            if (bar := known.get(name)) is None:
                _hatch(axes, (low, row - 0.3), high - low, 0.6)
            else:
                axes.plot(
                    [bar.low, bar.high], [row, row], color="#9cc5e0", linewidth=7, solid_capstyle="butt", zorder=2
                )
                axes.plot([bar.mean], [row], "o", color=COLOURS[0], markersize=5, zorder=3)
        axes.grid(visible=False, axis="y")
        lettering.put_ticks(axes.yaxis, [folded(name, ems=NAME_EMS) for name in bars])
        beside = axes.secondary_yaxis("right")
        figures = [str(known[name]) if name in known else "no figure" for name in bars]
        lettering.put_ticks(beside.yaxis, figures)
        beside.spines["right"].set_visible(False)
        beside.tick_params(length=0)
        _describe(lettering, axes, title, label, "")
        return lettering.svg(figure)


def grouped_histograms(groups: Mapping[str, Sequence[float]], title: str, label: str) -> str:
    """Distributions of one figure, as shares of each group: over each other, or below each other when they are many."""
    kept = {name: _finite(values) for name, values in groups.items()}
    edges = _bins(np.concatenate([*kept.values(), np.empty(0)]))
    apart = len(kept) > MOST_OVERLAID
    with _figure(WIDTH, 0.9 + 0.75 * len(kept) if apart else 2.9) as (figure, lettering):
        rows = figure.subplots(len(kept) if apart else 1, 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        handles = []
        for position, values in enumerate(kept.values()):
            axes, colour = rows[position if apart else 0], COLOURS[position % len(COLOURS)]
            style: Any = {"edgecolor": colour, "linestyle": DASHES[position % len(DASHES)], "linewidth": 1.3}
            face = mpl.colors.to_rgba(colour, 0.25)
            if values.size:
                weights = np.full(values.size, 1 / values.size)
                axes.hist(values, bins=edges, weights=weights, histtype="stepfilled", facecolor=face, **style)
            handles.append(Patch(facecolor=face, **style))
        names = [f"{name} ({values.size:,})" for name, values in kept.items()]
        if apart:
            for axes, name in zip(rows, names, strict=True):
                lettering.put(
                    axes.set_title("", loc="left", fontsize=8, fontweight="normal"), folded(name, ems=38, lines=1)
                )
                axes.set_ylabel("share")
            lettering.put(figure.suptitle("", fontsize=10, fontweight="bold"), folded(title, ems=30))
            lettering.put(rows[-1].set_xlabel(""), folded(label, ems=36, lines=1))
        else:
            _describe(lettering, rows[0], title, label, "share")
            _legend(lettering, figure, handles, names)
        return lettering.svg(figure)


def points(groups: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str, x: str, y: str) -> str:
    """Points of one or more groups, (x values, y values) each; one without an x or a y is left out."""
    with _figure(WIDTH, 3.1) as (figure, lettering):
        axes = figure.add_subplot()
        kept = {name: _pairs(across, up) for name, (across, up) in groups.items()}
        many = sum(len(across) for across, _ in kept.values()) > MOST_DRAWN_POINTS
        handles = []
        for position, (across, up) in enumerate(kept.values()):
            look: Any = {"color": COLOURS[position % len(COLOURS)], "marker": MARKS[position % len(MARKS)]}
            axes.scatter(across, up, s=9, alpha=0.45, linewidths=0, rasterized=many, **look)
            handles.append(axes.plot([], [], linestyle="", markersize=5, **look)[0])
        _describe(lettering, axes, title, x, y)
        _legend(lettering, figure, handles, [f"{name} ({len(across):,})" for name, (across, _) in kept.items()])
        return lettering.svg(figure)


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str, x: str, y: str, *, diagonal: bool = False
) -> str:
    """Lines through (x values, y values) each, in their order; a gap where one is missing.

    Args:
        series: By name.
        title: Above.
        x: What the x values are.
        y: What the y values are.
        diagonal: Draw where both are the same, on axes of one scale, as for the reliability of probabilities.
    """
    with _figure(WIDTH, 4.2 if diagonal else 3.1) as (figure, lettering):
        axes = figure.add_subplot()
        kept = {name: (_numbers(across), _numbers(up)) for name, (across, up) in series.items()}
        if diagonal:
            ends = [value for pair in kept.values() for values in pair for value in values[np.isfinite(values)]]
            low, high = _limits([*ends, 0.0, 1.0])
            axes.plot([low, high], [low, high], color="#888888", linewidth=1, linestyle=(0, (1, 2)))
            axes.set_xlim(low, high)
            axes.set_ylim(low, high)
            axes.set_aspect("equal")
        handles = []
        for position, (across, up) in enumerate(kept.values()):
            (drawn,) = axes.plot(
                across,
                up,
                color=COLOURS[position % len(COLOURS)],
                marker=MARKS[position % len(MARKS)],
                linestyle=DASHES[position % len(DASHES)],
                markersize=4,
                linewidth=1.5,
            )
            handles.append(drawn)
        _describe(lettering, axes, title, x, y)
        _legend(lettering, figure, handles, list(kept))
        return lettering.svg(figure)


def heat_map(
    values: Mapping[str, Mapping[str, float | None]],
    title: str,
    label: str,
    *,
    low: float,
    high: float,
    bad_is_high: bool,
) -> str:
    """Figures of each name (outer) for each thing (inner), dark where they are bad, hatched where there is none.

    Rows are the names or the things, whichever are more.

    Args:
        values: By name and thing; a thing that a name does not have has no figure.
        title: Above.
        label: What the figures are.
        low: Where the colours begin; what is lower looks the same.
        high: Where they end.
        bad_is_high: Whether a high figure is a bad one.
    """
    names = list(values)
    things = list(dict.fromkeys(thing for of_name in values.values() for thing in of_name))
    across, down = (names, things) if len(things) > len(names) else (things, names)
    colours = BAD_COLOURS if bad_is_high else BAD_COLOURS.reversed()
    with _figure(WIDE, 1.5 + 0.27 * max(1, len(down))) as (figure, lettering):
        axes = figure.add_subplot()
        axes.set_xlim(-0.5, max(1, len(across)) - 0.5)
        axes.set_ylim(max(1, len(down)) - 0.5, -0.5)
        axes.grid(visible=False)
        for row, of_row in enumerate(down):
            for column, of_column in enumerate(across):
                name, thing = (of_column, of_row) if across is names else (of_row, of_column)
                _heat(axes, (column, row), values[name].get(thing), colours, low, high)
        lettering.put_ticks(axes.yaxis, [folded(name, ems=NAME_EMS) for name in down])
        names_room = min(NAME_EMS, max(map(width, down), default=0.0))
        _name_columns(lettering, axes, across, WIDE * 72 / FONT_SIZE - names_room - 9)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(low, high), colours)
        bar = figure.colorbar(scale, ax=axes, shrink=min(1.0, 1.6 / (0.27 * max(1, len(down)))), pad=0.02)
        lettering.put(bar.ax.set_ylabel(""), folded(label, ems=16))
        bar.outline.set_visible(False)
        lettering.put(axes.set_title("", loc="left"), folded(title, ems=44))
        return lettering.svg(figure)


@contextmanager
def _figure(across: float, down: float) -> Iterator[tuple[Figure, Lettering]]:
    look: Any = {
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e3e3e3",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#888888",
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "font.size": FONT_SIZE,
        "hatch.linewidth": 0.6,
        "hatch.color": "#9a9a9a",
        "savefig.dpi": 150,
        "figure.facecolor": "white",
        **STYLE,
    }
    with mpl.rc_context(look):
        yield Figure(figsize=(across, down), layout="constrained"), Lettering()


def _describe(lettering: Lettering, axes: Any, title: str, x: str, y: str) -> None:
    lettering.put(axes.set_title(""), folded(title, ems=30 if axes.figure.get_figwidth() == WIDTH else 44))
    lettering.put(axes.set_xlabel(""), folded(x, ems=36))
    if y:
        lettering.put(axes.set_ylabel(""), folded(y, ems=20))


def _legend(lettering: Lettering, figure: Any, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Below the plot, in as many columns as fit."""
    shown = [folded(name, ems=36, lines=1) for name in names]
    if not shown:
        return
    room = figure.get_figwidth() * 72 / (FONT_SIZE - 1)
    columns = max(1, min(len(shown), int(room / (max(map(width, shown)) + 4.5))))
    legend = figure.legend(
        handles, ["m"] * len(shown), loc="outside lower left", ncols=columns, fontsize=FONT_SIZE - 1, frameon=False
    )
    for text, name in zip(legend.get_texts(), shown, strict=True):
        lettering.put(text, name)


def _name_columns(lettering: Lettering, axes: Any, names: Sequence[str], room: float) -> None:
    """Names at 0, 1, … above the columns that share a room of so many ems; slanted where they do not fit otherwise."""
    each = room / max(1, len(names)) - 0.7
    slanted = any(width(line) > each for name in names for line in folded(name, ems=each, lines=3).split("\n")) or any(
        folded(name, ems=each, lines=3).endswith("…") and not name.endswith("…") for name in names
    )
    axes.xaxis.tick_top()
    lettering.put_ticks(
        axes.xaxis,
        [folded(name, ems=NAME_EMS, lines=1) if slanted else folded(name, ems=each, lines=3) for name in names],
    )
    if slanted:
        for text in axes.get_xticklabels():
            text.set(rotation=35, ha="left", rotation_mode="anchor")


def _heat(axes: Any, place: tuple[int, int], value: float | None, colours: Any, low: float, high: float) -> None:
    column, row = place
    corner = (column - 0.5, row - 0.5)
    if value is None or not math.isfinite(value):
        _hatch(axes, corner, 1, 1)
        return
    colour = colours((value - low) / (high - low) if high > low else 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
    dark = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2] < 0.5
    axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if dark else "black", fontsize=8)


def _hatch(axes: Any, corner: tuple[float, float], across: float, down: float) -> None:
    axes.add_patch(
        Rectangle(corner, across, down, facecolor=NOTHING_FACE, edgecolor="#9a9a9a", hatch=NOTHING_HATCH, linewidth=0)
    )


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Around values, with a margin; something sensible around one or none."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _bins(values: Any) -> Any:
    """Edges of at most 30 bins; of whole numbers each bin holds the same count."""
    if values.size == 0:
        return np.linspace(0, 1, 2)
    low, high = float(values.min()), float(values.max())
    if np.all(values == np.round(values)):
        step = max(1, math.ceil((high - low + 1) / 30))
        return np.arange(low - 0.5, high + 0.5 + step, step)
    return np.linspace(low, high, 31) if high > low else np.array([low - 0.5, low + 0.5])


def _numbers(values: Iterable[float | None]) -> Any:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _finite(values: Sequence[float]) -> Any:
    numbers = _numbers(values)
    return numbers[np.isfinite(numbers)]


def _pairs(across: Sequence[float], up: Sequence[float]) -> tuple[Any, Any]:
    x, y = _numbers(across), _numbers(up)
    both = np.isfinite(x) & np.isfinite(y)
    return x[both], y[both]
