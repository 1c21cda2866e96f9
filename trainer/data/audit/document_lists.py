"""Of the report of an audit: long lists, shown when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainer.data.audit.job import Audit
from trainer.data.audit.repeats import NearExample
from trainer.report.document import Cell, Paragraph, Section, Table, number_cell, text_cell

MOST_SHOWN = 200
"""Rows of a list of texts."""


def folded_lists(audit: Audit) -> Iterator[Section]:
    """Rows that no loader takes, texts with both labels, and what the threshold lets count as nearly the same."""
    refused = [
        [text_cell(each.source.name), number_cell(row.row, form=","), text_cell(row.reason)]
        for each in audit.sources
        for row in each.source.refused
    ]
    if refused:
        yield _list("Rows that no loader takes", ["source", "row", "why"], refused)
    both = [
        [
            text_cell(each.source.name),
            text_cell(where),
            text_cell(found.text),
            text_cell(", ".join(map(str, found.good_rows))),
            text_cell(", ".join(map(str, found.bad_rows))),
        ]
        for each in audit.sources
        if each.labels
        for where, some in (("one prompt", each.labels.one_prompt), ("across prompts", each.labels.across_prompts))
        for found in some
    ]
    if both:
        yield _list("Called good and bad", ["source", "under", "text", "good in row", "bad in row"], both)
    near = [
        *(
            (f"{each.source.name}, {repeats.what}", repeats.examples)
            for each in audit.sources
            for repeats in each.repeats
        ),
        *(
            (f"{leaks.evaluation} in {each.source.name}", leaks.examples)
            for each in audit.sources
            for leaks in each.leaks
        ),
    ]
    rows = [cells for where, examples in near for cells in _examples(where, examples)]
    if rows:
        said = Paragraph(
            text="Those least alike of each kind: if they are the same to you, the threshold is high enough."
        )
        table = Table(columns=["where", "similarity", "row", "text", "row", "text"], rows=rows)
        yield Section(title="Nearly the same", blocks=[said, table], folded=True)


def _list(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Section:
    left = len(rows) - MOST_SHOWN
    note = f"The first {MOST_SHOWN}; {left:,} more are in result.json." if left > 0 else ""
    return Section(title=title, blocks=[Table(columns=columns, rows=rows[:MOST_SHOWN], note=note)], folded=True)


def _examples(where: str, examples: Sequence[NearExample]) -> Iterator[list[Cell]]:
    for each in examples:
        yield [
            text_cell(where),
            number_cell(each.similarity, form=".2f"),
            number_cell(each.first_row, form=","),
            text_cell(each.first_text),
            number_cell(each.second_row, form=","),
            text_cell(each.second_text),
        ]
