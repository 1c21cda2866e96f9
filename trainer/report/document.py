"""A report as data: sections of tables, plots and notices. `trainer.report.document_page` writes HTML and Markdown.

Whoever evaluates something describes what was found with these types and nothing else, so that every report looks and
sorts alike. Texts may hold anything, what a policy wrote included: they are escaped where they are shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from trainer.evaluation.intervals import Interval

Tone = Literal["plain", "good", "warn", "bad"]

SIGNS: Final[Mapping[Tone, tuple[str, str]]] = {
    "bad": ("\N{BALLOT X}", "fails"),
    "warn": ("\N{WARNING SIGN}\N{VARIATION SELECTOR-15}", "warning"),
    "good": ("\N{CHECK MARK}", "passes"),
}
"""What tells a tone where colours do not: a sign, and a word for who does not see it."""
WORST_FIRST: Final[tuple[Tone, ...]] = ("bad", "warn", "plain", "good")

NOTHING = "–"
"""Shown where there is no figure; never a zero."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What is shown.
        value: What a column is sorted by; without it by the text. Cells with a value are set to the right.
        tone: ``bad`` is seen at a glance.
        note: Shown when pointed at; also in Markdown where it is short.
    """

    text: str
    value: float | None = None
    tone: Tone = "plain"
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that can be sorted by each column. Every row has as many cells as there are columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for position, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"row {position} has {len(row)} cells for {len(self.columns)} columns")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A picture, as SVG of `trainer.report.charts`. ``title`` is also its text for who does not see it."""

    title: str
    svg: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A sentence that must not be overlooked."""

    text: str
    tone: Tone = "plain"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Plain text."""

    text: str


Block = Table | Plot | Notice | Paragraph


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Blocks under one heading. ``folded``: shown when asked for, such as long lists of texts."""

    title: str
    blocks: Sequence[Block]
    folded: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole report. ``notices`` stand at its top: what failed, and what passed."""

    title: str
    summary: str
    notices: Sequence[Notice] = ()
    sections: Sequence[Section] = ()
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)


def worst_first(notices: Sequence[Notice]) -> list[Notice]:
    """What failed stands before what passed; in their order otherwise."""
    return sorted(notices, key=lambda notice: WORST_FIRST.index(notice.tone))


def text_cell(text: str, *, tone: Tone = "plain", note: str = "") -> Cell:
    """A cell sorted by its text."""
    return Cell(text=text, tone=tone, note=note)


def number_cell(value: float | None, *, form: str = ".3f", tone: Tone = "plain", note: str = "") -> Cell:
    """A cell sorted by a number; None is shown as `NOTHING` and sorted last."""
    return Cell(text=NOTHING if value is None else format(value, form), value=value, tone=tone, note=note)


def interval_cell(interval: Interval | None, *, form: str = ".3f", tone: Tone = "plain", note: str = "") -> Cell:
    """A mean with its 95 % interval, sorted by the mean."""
    if interval is None:
        return Cell(text=NOTHING, tone=tone, note=note)
    low, high = format(interval.low, form), format(interval.high, form)
    return Cell(text=f"{format(interval.mean, form)} [{low}, {high}]", value=interval.mean, tone=tone, note=note)
