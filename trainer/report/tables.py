"""Tables of texts at a terminal."""

from __future__ import annotations

from rich.table import Table


def text_table(*columns: str, title: str) -> Table:
    """A table whose cells are folded, not cut: to rich, Chinese without spaces is one long word."""
    table = Table(title=title, show_lines=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
