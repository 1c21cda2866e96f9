"""Figures of several rounds as a median with its spread, and tables for the terminal and for Markdown."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from rich.table import Table


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table with what is to be said about it.

    Attributes:
        title: Of the table.
        text: Stands before it: what was done, and what the columns are.
        columns: Their heads.
        rows: As many cells in each as there are columns.
        versions: Of what was measured, by name.
        notes: Stand behind it, such as where the time goes.
    """

    title: str
    text: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: str = ""

    def table(self) -> Table:
        """For the terminal."""
        caption = "\n\n".join(filter(None, [self.text, self.notes]))
        table = Table(title=self.title, title_justify="left", caption=caption, caption_justify="left")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For docs/benchmarks.md."""
        lines = [
            f"## {self.title}",
            "",
            self.text,
            "",
            "| " + " | ".join(self.columns) + " |",
            "|" + "|".join(["---", *["---:"] * (len(self.columns) - 1)]) + "|",
            *("| " + " | ".join(row) + " |" for row in self.rows),
            "",
        ]
        if self.notes:
            lines += [self.notes, ""]
        return "\n".join(lines)


def spread(values: Sequence[float], digits: int) -> str:
    """The median, with least and greatest where there are several: ``0.93 (0.91-0.95)``."""
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
