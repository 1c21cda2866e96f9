"""What all charts are drawn with: a look, a title and names, a legend that fits, and a hatch for what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trainer.report.lettering import STYLE, Lettering, folded, width

WIDTH: Final = 4.7
"""Inches; two plots fit side by side on a page."""
WIDE: Final = 6.6
FONT_SIZE: Final = 9
SMALL: Final = 8
NAME_EMS: Final = 17.0
"""Names of rows are folded at this."""
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
"""Told apart by the colour-blind, too (Okabe and Ito)."""
MARKS: Final = ("o", "s", "^", "D", "v", "P", "X")
DASHES: Final = ("-", "--", "-.", ":")
LEGEND_ROW: Final = 0.17
_HANDLE_EMS: Final = 4.5
_LOOK: Any = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "font.size": FONT_SIZE,
    "grid.color": "#e3e3e3",
    "hatch.color": "#9a9a9a",
    "hatch.linewidth": 0.6,
    "savefig.dpi": 150,
    **STYLE,
}


@contextmanager
def drawing(across: float, down: float) -> Iterator[tuple[Figure, Lettering]]:
    """An empty figure of a size in inches, and what its texts go through."""
    with mpl.rc_context(_LOOK):
        yield Figure(figsize=(across, down), layout="constrained"), Lettering()


def describe(lettering: Lettering, axes: Any, title: str, x: str = "", y: str = "") -> None:
    """A title, and what the axes show."""
    points, _ = axes.figure.get_size_inches() * 72
    lettering.put(axes.set_title(""), folded(title, ems=0.8 * points / axes.title.get_fontsize()))
    if x:
        lettering.put(axes.set_xlabel(""), folded(x, ems=0.75 * points / FONT_SIZE))
    if y:
        lettering.put(axes.set_ylabel(""), folded(y, ems=20))


def legend_height(names: Sequence[str], across: float) -> float:
    """Inches that `legend` needs on a figure of a width in inches."""
    return LEGEND_ROW * -(-len(names) // _legend_columns([_legend_name(name) for name in names], across))


def legend(lettering: Lettering, figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Below the plot, in as many columns as fit; nothing without names."""
    if not names:
        return
    shown = [_legend_name(name) for name in names]
    columns = _legend_columns(shown, figure.get_figwidth())
    # Names of matplotlib's own choosing would vanish: it takes those with a leading underscore for none.
    made = figure.legend(
        handles, ["m"] * len(shown), loc="outside lower left", ncols=columns, fontsize=SMALL, frameon=False
    )
    for artist, name in zip(made.get_texts(), shown, strict=True):
        lettering.put(artist, name)


def name_rows(lettering: Lettering, axes: Any, names: Sequence[str]) -> None:
    """Names at 0, 1, … of the y axis."""
    lettering.put_ticks(axes.yaxis, [folded(name, ems=NAME_EMS) for name in names])
    for artist in axes.get_yticklabels():
        artist.set_multialignment("right")


def columns_fit(names: Sequence[str], ems: float) -> bool:
    """Whether names stand above columns of this width, in three lines at most."""
    return all(
        width(line) <= ems and not line.endswith("…")
        for name in names
        for line in folded(name, ems=ems, lines=3).split("\n")
    )


def name_columns(lettering: Lettering, axes: Any, names: Sequence[str], ems: float) -> None:
    """Names at 0, 1, … above columns of this width; slanted, in one line, where they do not fit."""
    fit = columns_fit(names, ems)
    axes.xaxis.tick_top()
    lettering.put_ticks(
        axes.xaxis, [folded(name, ems=ems, lines=3) if fit else folded(name, ems=NAME_EMS, lines=1) for name in names]
    )
    if not fit:
        for artist in axes.get_xticklabels():
            artist.set(rotation=55, ha="left", rotation_mode="anchor")


def hatch(axes: Any, corner: tuple[float, float], across: float, down: float) -> None:
    """An area where there is no figure."""
    axes.add_patch(Rectangle(corner, across, down, facecolor="#ececec", edgecolor="#9a9a9a", hatch="////", linewidth=0))


def say_nothing(axes: Any) -> None:
    """Instead of a plot of nothing, which looks like one that failed."""
    axes.text(0.5, 0.5, "no figures", ha="center", va="center", color="#666666", transform=axes.transAxes)


def _legend_name(name: str) -> str:
    return folded(name, ems=36, lines=1)


def _legend_columns(shown: Sequence[str], across: float) -> int:
    room = across * 72 / SMALL
    return max(1, min(len(shown), int(room / (max(map(width, shown), default=0.0) + _HANDLE_EMS))))
