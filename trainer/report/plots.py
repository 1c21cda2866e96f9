"""Curves as PNG data, drawn without a display. Labels are English, so that no Chinese font is needed."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

STYLE: Any = {
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}
SMOOTHING = 0.2


def curve(history: Sequence[Mapping[str, float]], names: Sequence[str], title: str, label: str) -> str | None:
    """Figures over steps, the raw values faint and a running mean on top; None where the history has none of them."""
    present = [name for name in names if any(name in line for line in history)]
    if not present:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 2.6), layout="constrained")
        axes = figure.add_subplot()
        for name in present:
            steps = [line["step"] for line in history if name in line]
            values = [line[name] for line in history if name in line]
            (drawn,) = axes.plot(steps, values, alpha=0.3, linewidth=1)
            axes.plot(steps, running_mean(values), color=drawn.get_color(), label=name, linewidth=1.8)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        if len(present) > 1:
            axes.legend(fontsize=7)
        return _png(figure)


def histograms(groups: Mapping[str, Sequence[float]], title: str, label: str) -> str:
    """Distributions of the same figure, over each other."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 2.6), layout="constrained")
        axes = figure.add_subplot()
        low = min(min(values) for values in groups.values())
        high = max(max(values) for values in groups.values())
        for name, values in groups.items():
            axes.hist(values, bins=30, range=(low, high), alpha=0.5, label=name)
        axes.set_title(title)
        axes.set_xlabel(label)
        axes.set_ylabel("samples")
        axes.legend(fontsize=7)
        return _png(figure)


def scatter(groups: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str, x: str, y: str) -> str:
    """Points of one or more groups, (x values, y values) each."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 2.6), layout="constrained")
        axes = figure.add_subplot()
        for name, (across, up) in groups.items():
            axes.scatter(across, up, s=6, alpha=0.5, label=name)
        axes.set_title(title)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.legend(fontsize=7)
        return _png(figure)


def running_mean(values: Sequence[float]) -> list[float]:
    """Exponential mean that begins at the first value."""
    smooth: list[float] = []
    for value in values:
        smooth.append(value if not smooth else SMOOTHING * value + (1 - SMOOTHING) * smooth[-1])
    return smooth


def _png(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return base64.b64encode(buffer.getvalue()).decode()
