"""Tables of texts at a terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from trainer.evaluation.intervals import Interval
from trainer.report.document import NOTHING


def text_table(*columns: str, title: str) -> Table:
    """A table whose cells are folded, not cut: to rich, Chinese without spaces is one long word."""
    table = Table(title=title, show_lines=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def interval_text(interval: Interval | None, form: str = ".3f") -> str:
    """A mean with its interval, as a cell."""
    if interval is None:
        return NOTHING
    return escape(f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]")
