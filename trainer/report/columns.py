"""How the columns of a table are shown and sorted, wherever it is shown."""

from __future__ import annotations

import dataclasses
import math

from trainer.report.document import NOTHING, Cell, Table


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. Numeric ones are set to the right and sorted by value, others by text."""

    name: str
    numeric: bool

    def missing(self, cell: Cell) -> bool:
        """Whether a cell has nothing to be sorted by, and stands last however the table is sorted."""
        return not _has_number(cell) if self.numeric else cell.text.strip() in {"", NOTHING}


def columns(table: Table) -> list[Column]:
    """Of a table, in order; one is numeric when any of its cells has a value."""
    return [
        Column(name=name, numeric=any(_has_number(row[position]) for row in table.rows))
        for position, name in enumerate(table.columns)
    ]


def sort_value(cell: Cell) -> str:
    """The value of a cell that has one, as JavaScript reads it."""
    assert cell.value is not None
    return str(float(cell.value)).replace("inf", "Infinity")


def _has_number(cell: Cell) -> bool:
    return cell.value is not None and not math.isnan(cell.value)
