"""Plots as SVG text, the same whatever fonts a machine has.

Names in them may be Chinese, or anything: see `trainer.report.lettering`.
What is not there, None or not a number, is left out or hatched; it is never drawn as a zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import PercentFormatter

from trainer.evaluation.intervals import Interval
from trainer.report.document import interval_cell
from trainer.report.drawing import (
    COLOURS,
    DASHES,
    FONT_SIZE,
    MARKS,
    NAME_EMS,
    SMALL,
    WIDE,
    WIDTH,
    columns_fit,
    describe,
    drawing,
    hatch,
    legend,
    legend_height,
    name_columns,
    name_rows,
    say_nothing,
)
from trainer.report.lettering import folded, width

MOST_OVERLAID: Final = 3
"""More histograms than these stand below each other."""
MOST_BINS: Final = 30
MOST_DRAWN_POINTS: Final = 3000
"""More points are one picture within the plot: each is an element otherwise."""
ROW: Final = 0.27
"""Inches of a row of a heat map."""
LEAST_COLUMN_EMS: Final = 2.8
"""A figure of a heat map needs them."""
BAD_COLOURS: Final = LinearSegmentedColormap.from_list("bad", ["#f7fbf7", "#fde7c8", "#f19a6b", "#c62828", "#7f0d1b"])


def interval_bars(
    bars: Mapping[str, Interval | None], title: str, label: str, *, line: float | None = None, form: str = ".3f"
) -> str:
    """Means with their intervals, one a name below each other, each with its figures.

    Args:
        bars: By name.
        title: Above.
        label: What the figures are.
        line: What they are compared with.
        form: How figures are written, such as ``.1%``.
    """
    with drawing(WIDE, 0.95 + 0.3 * max(1, len(bars))) as (figure, lettering):
        axes = figure.add_subplot()
        known = {name: bar for name, bar in bars.items() if bar is not None and _is_figure(bar.mean)}
        ends = [end for bar in known.values() for end in (bar.low, bar.mean, bar.high) if _is_figure(end)]
        low, high = _limits([*ends, *([] if line is None else [line])])
        axes.set_xlim(low, high)
        axes.set_ylim(max(1, len(bars)) - 0.5, -0.5)
        if line is not None:
            axes.axvline(line, color="#666666", linewidth=1, linestyle="--", zorder=1)
        for row, name in enumerate(bars):
            if (bar := known.get(name)) is None:
                hatch(axes, (low, row - 0.3), high - low, 0.6)
            else:
                axes.plot(
                    [bar.low, bar.high], [row, row], color="#9cc5e0", linewidth=7, solid_capstyle="butt", zorder=2
                )
                axes.plot([bar.mean], [row], "o", color=COLOURS[0], markersize=5, zorder=3)
        if form.endswith("%"):
            axes.xaxis.set_major_formatter(PercentFormatter(1))
        if not bars:
            say_nothing(axes)
        axes.grid(visible=False, axis="y")
        name_rows(lettering, axes, list(bars))
        beside = axes.secondary_yaxis("right")
        figures = [interval_cell(known[name], form=form).text if name in known else "no figure" for name in bars]
        lettering.put_ticks(beside.yaxis, figures)
        beside.spines["right"].set_visible(False)
        beside.tick_params(length=0)
        describe(lettering, axes, title, label)
        return lettering.svg(figure)


def grouped_histograms(groups: Mapping[str, Sequence[float]], title: str, label: str) -> str:
    """Distributions of one figure, as shares of each group: over each other, or below each other when they are many."""
    finite = {name: _finite(values) for name, values in groups.items()}
    kept = {f"{name} ({values.size:,})": values for name, values in finite.items()}
    edges = _bins(np.concatenate([*kept.values(), np.empty(0)]))
    names = list(kept)
    if len(kept) > MOST_OVERLAID:
        with drawing(WIDTH, 0.9 + 0.75 * len(kept)) as (figure, lettering):
            rows = figure.subplots(len(kept), 1, sharex=True, sharey=True)
            for position, (axes, name) in enumerate(zip(rows, names, strict=True)):
                _histogram(axes, kept[name], edges, position)
                small = axes.set_title("", fontsize=SMALL, fontweight="normal")
                lettering.put(small, folded(name, ems=38, lines=1))
            lettering.put(figure.suptitle("", x=0.01, ha="left", fontsize=10, fontweight="bold"), folded(title, ems=30))
            lettering.put(figure.supxlabel("", fontsize=FONT_SIZE), folded(label, ems=36, lines=1))
            figure.supylabel("share", fontsize=FONT_SIZE)
            return lettering.svg(figure)
    with drawing(WIDTH, 2.7 + legend_height(names, WIDTH)) as (figure, lettering):
        axes = figure.add_subplot()
        handles = [_histogram(axes, values, edges, position) for position, values in enumerate(kept.values())]
        if not any(values.size for values in kept.values()):
            say_nothing(axes)
        describe(lettering, axes, title, label, "share")
        legend(lettering, figure, handles, names)
        return lettering.svg(figure)


def points(groups: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str, x: str, y: str) -> str:
    """Points of one or more groups, (x values, y values) each; one without an x or a y is left out."""
    pairs = {name: _pairs(across, up) for name, (across, up) in groups.items()}
    kept = {f"{name} ({across.size:,})": (across, up) for name, (across, up) in pairs.items()}
    count = sum(across.size for across, _ in kept.values())
    with drawing(WIDTH, 2.9 + legend_height(list(kept), WIDTH)) as (figure, lettering):
        axes = figure.add_subplot()
        handles = []
        for position, (across, up) in enumerate(kept.values()):
            look: Any = {"color": COLOURS[position % len(COLOURS)], "marker": MARKS[position % len(MARKS)]}
            axes.scatter(across, up, s=9, alpha=0.45, linewidths=0, rasterized=count > MOST_DRAWN_POINTS, **look)
            handles.append(axes.plot([], [], linestyle="", markersize=5, **look)[0])
        if not count:
            say_nothing(axes)
        describe(lettering, axes, title, x, y)
        legend(lettering, figure, handles, list(kept))
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
    kept = {name: (_numbers(across), _numbers(up)) for name, (across, up) in series.items()}
    with drawing(WIDTH, (4.1 if diagonal else 2.9) + legend_height(list(kept), WIDTH)) as (figure, lettering):
        axes = figure.add_subplot()
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
        if not any(np.any(np.isfinite(across) & np.isfinite(up)) for across, up in kept.values()):
            say_nothing(axes)
        describe(lettering, axes, title, x, y)
        legend(lettering, figure, handles, list(kept))
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
    names_ems = min(NAME_EMS, max(map(width, down), default=0.0))
    column_ems = max(LEAST_COLUMN_EMS, (WIDE * 72 / FONT_SIZE - names_ems - 2) / max(1, len(across)))
    heads = 0.3 if columns_fit(across, column_ems) else 0.12 * min(NAME_EMS, max(map(width, across)))
    size = ((names_ems + 2 + column_ems * len(across)) * FONT_SIZE / 72, 1.1 + heads + ROW * len(down))
    with drawing(max(WIDE, size[0]), size[1]) as (figure, lettering):
        axes = figure.add_subplot()
        axes.set_xlim(-0.5, max(1, len(across)) - 0.5)
        axes.set_ylim(max(1, len(down)) - 0.5, -0.5)
        axes.grid(visible=False)
        if not down:
            say_nothing(axes)
        figures = [values[name].get(thing) for name in names for thing in things]
        for row, of_row in enumerate(down):
            for column, of_column in enumerate(across):
                name, thing = (of_column, of_row) if across is names else (of_row, of_column)
                _heat(axes, (column, row), values[name].get(thing), colours, low, high)
        name_rows(lettering, axes, down)
        name_columns(lettering, axes, across, column_ems)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(low, high), colours)
        bar = figure.colorbar(scale, ax=axes, location="bottom", shrink=0.6, aspect=40, pad=0.02)
        bar.outline.set_visible(False)
        hatched = "; hatched: no figure" if any(not _is_figure(value) for value in figures) else ""
        lettering.put(bar.ax.set_xlabel(""), folded(f"{label}{hatched}", ems=44))
        describe(lettering, axes, title)
        return lettering.svg(figure)


def _histogram(axes: Any, values: Any, edges: Any, position: int) -> Patch:
    """Draw one; the patch is for a legend."""
    colour = COLOURS[position % len(COLOURS)]
    look: Any = {
        "edgecolor": colour,
        "facecolor": mpl.colors.to_rgba(colour, 0.25),
        "linestyle": DASHES[position % len(DASHES)],
        "linewidth": 1.3,
    }
    if values.size:
        axes.hist(values, bins=edges, weights=np.full(values.size, 1 / values.size), histtype="stepfilled", **look)
    return Patch(**look)


def _heat(axes: Any, place: tuple[int, int], value: float | None, colours: Any, low: float, high: float) -> None:
    column, row = place
    corner = (column - 0.5, row - 0.5)
    if value is None or not math.isfinite(value):
        hatch(axes, corner, 1, 1)
        return
    colour = colours((value - low) / (high - low) if high > low else 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
    dark = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2] < 0.5
    axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if dark else "black", fontsize=SMALL)


def _is_figure(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Around values, with a margin; something sensible around one or none."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _bins(values: Any) -> Any:
    """Edges of at most `MOST_BINS` bins; of whole numbers each bin holds the same count."""
    if values.size == 0:
        return np.linspace(0, 1, 2)
    low, high = float(values.min()), float(values.max())
    if np.all(values == np.round(values)):
        step = max(1, math.ceil((high - low + 1) / MOST_BINS))
        return np.arange(low - 0.5, high + 0.5 + step, step)
    return np.linspace(low, high, MOST_BINS + 1) if high > low else np.array([low - 0.5, low + 0.5])


def _numbers(values: Iterable[float | None]) -> Any:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _finite(values: Sequence[float]) -> Any:
    numbers = _numbers(values)
    return numbers[np.isfinite(numbers)]


def _pairs(across: Sequence[float], up: Sequence[float]) -> tuple[Any, Any]:
    x, y = _numbers(across), _numbers(up)
    both = np.isfinite(x) & np.isfinite(y)
    return x[both], y[both]
