"""Of the report of an audit: what length and style alone say of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from trainer.data.audit.length_shortcut import LongerWins
from trainer.data.audit.source_audit import SourceAudit
from trainer.report.charts import grouped_histograms
from trainer.report.document import Block, Cell, Plot, Table, interval_cell, number_cell, text_cell

DRAWN_SHARE = 99.0
"""Percent of the texts that a histogram spreads out; the rest stand in its last bar."""


def length_blocks(audits: Sequence[SourceAudit]) -> Iterator[Block]:
    """How long texts are, what a rule that counts characters scores, and how often the longer one wins."""
    yield Table(
        title="Characters of a text",
        columns=["source", "texts", "how many", "mean", "median", "5 %", "95 %", "shortest", "longest"],
        rows=[
            [
                text_cell(audit.source.name),
                text_cell(name),
                number_cell(each.texts, form=","),
                number_cell(each.mean, form=".1f"),
                number_cell(each.median, form=".0f"),
                number_cell(each.low, form=".0f"),
                number_cell(each.high, form=".0f"),
                number_cell(each.shortest, form=","),
                number_cell(each.longest, form=","),
            ]
            for audit in audits
            if audit.length
            for name, each in audit.length.summaries.items()
        ],
    )
    for audit in audits:
        if audit.length:
            yield _histogram(audit.source.name, audit.length.lengths)
    ruled = [
        (audit.source.name, audit.length, audit.length_on) for audit in audits if audit.length and audit.length.rule
    ]
    if not ruled:
        return
    yield Table(
        title="What a rule that counts characters scores",
        columns=["source", "good with", "right here", "cross-fitted", "AUC", "AUC, same length", "elsewhere"],
        rows=[
            [
                text_cell(name),
                text_cell(str(length.rule)),
                number_cell(length.accuracy),
                number_cell(length.fitted_accuracy),
                interval_cell(length.auc),
                interval_cell(length.stratified_auc),
                text_cell(", ".join(f"{where}: {right:.3f}" for where, right in elsewhere.items()) or "–"),
            ]
            for name, length, elsewhere in ruled
        ],
        note="The rule is the best one on these very texts; cross-fitted, it is chosen on rows that share nothing with "
        "those it judges. “Same length”: among texts that differ by at most 10 % or two characters.",
    )
    if pairs := [(name, length) for name, length, _ in ruled if length.longer_wins]:
        yield Table(
            title="The longer one wins",
            columns=["source", "pairs", "how many", "longer", "as long", "longer of all", "ties half"],
            rows=[
                [text_cell(name), text_cell(which), *_wins(wins)]
                for name, length in pairs
                for which, wins in (("all", length.longer_wins), ("within 20 %", length.longer_wins_alike))
                if wins
            ],
            note="Within 20 %: the two lengths differ by at most a fifth of their mean.",
        )


def _wins(wins: LongerWins) -> list[Cell]:
    return [
        number_cell(wins.pairs, form=","),
        number_cell(wins.longer, form=","),
        number_cell(wins.equal, form=","),
        interval_cell(wins.share),
        interval_cell(wins.share_ties_half),
    ]


def _histogram(source: str, lengths: Mapping[str, Sequence[int]]) -> Plot:
    every = [length for some in lengths.values() for length in some]
    last = float(np.percentile(every, DRAWN_SHARE))
    title = f"Lengths in {source}"
    return Plot(
        title=title,
        svg=grouped_histograms(
            {name: [min(float(length), last) for length in some] for name, some in lengths.items()}, title, "characters"
        ),
        note=f"Texts of more than {last:.0f} characters are counted in the last bar." if max(every) > last else "",
    )


def style_table(audits: Sequence[SourceAudit]) -> Table:
    """What a model of characters scores, on the source itself and elsewhere."""
    measured = [
        (audit.source.name, where, style)
        for audit in audits
        for where, style in [("here, cross-fitted", audit.style), *audit.style_on.items()]
        if style
    ]
    return Table(
        columns=[
            "learnt on",
            "asked about",
            "texts learnt on",
            "texts",
            "AUC",
            "AUC, same length",
            "pairs",
            "within 20 %",
        ],
        rows=[
            [
                text_cell(name),
                text_cell(where),
                number_cell(style.fitted_on, form=","),
                number_cell(style.texts, form=","),
                interval_cell(style.auc),
                interval_cell(style.stratified_auc),
                interval_cell(style.pairs),
                interval_cell(style.pairs_alike),
            ]
            for name, where, style in measured
        ],
        note="A logistic regression on the characters of a text, which never sees the prompt. Elsewhere it has learnt "
        "without the rows that share a prompt or a text, exactly or nearly. A reward that only does as well may have "
        "learnt who wrote a text, and not what makes it good.",
    )
