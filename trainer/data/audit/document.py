"""An audit as a report for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from trainer.data.audit.findings import Finding
from trainer.data.audit.job import TOGETHER, Audit
from trainer.data.audit.leaks import Leaks
from trainer.data.audit.length_shortcut import LongerWins
from trainer.data.audit.odd_texts import DAMAGED, Oddity
from trainer.data.audit.record import settings_of
from trainer.data.audit.repeats import NearExample
from trainer.data.audit.source_audit import SourceAudit
from trainer.report.charts import grouped_histograms
from trainer.report.document import (
    Block,
    Cell,
    Document,
    Notice,
    Paragraph,
    Plot,
    Section,
    Table,
    Tone,
    interval_cell,
    number_cell,
    text_cell,
)

TONES: dict[str, Tone] = {"broken": "bad", "passed": "good", "noted": "plain"}
DRAWN_SHARE = 99.0
"""Percent of the texts that a histogram spreads out; the rest stand in its last bar."""


def document_of(audit: Audit) -> Document:
    """The whole report: findings first, then what they rest on."""
    broken = audit.broken
    rows = sum(len(each.source.entries) for each in audit.sources)
    sections = [
        Section(title="Findings", blocks=[_findings(audit.findings)]),
        Section(title="Sources", blocks=[_sources(audit.sources)]),
    ]
    if leaks := [(each.source.name, each.leaks) for each in audit.sources if each.leaks]:
        if audit.together:
            leaks.append((TOGETHER, audit.together))
        sections.append(Section(title="Leakage", blocks=list(_leaks(leaks, audit.findings))))
    sections.append(Section(title="Repeats", blocks=[_repeats(audit.sources)]))
    if any(each.length for each in audit.sources):
        sections.append(Section(title="Length", blocks=list(_lengths(audit.sources))))
    if any(each.style or each.style_on for each in audit.sources):
        sections.append(Section(title="Style", blocks=[_styles(audit.sources)]))
    sections.append(Section(title="Odd texts", blocks=[_odd(audit.sources)]))
    sections += _folded(audit)
    return Document(
        title="Audit of data",
        summary=f"{len(audit.sources)} sources, {rows:,} rows. Texts count as nearly the same from a similarity of "
        f"{audit.job.near:g} on (Jaccard index of their character 3-grams).",
        notices=_notices(broken) or [Notice(text="No bound is broken.", tone="good")],
        sections=sections,
        settings=settings_of(audit),
    )


def _notices(broken: Sequence[Finding]) -> list[Notice]:
    """One for each source."""
    names: dict[str, list[str]] = {}
    for finding in broken:
        where = f" ({finding.evaluation})" if finding.evaluation else ""
        names.setdefault(finding.source, []).append(f"{finding.name}{where}")
    return [
        Notice(text=f"{source} breaks {len(some)}: {', '.join(some)}.", tone="bad") for source, some in names.items()
    ]


def _bound(finding: Finding) -> str:
    if finding.bound is None:
        return "–"
    # No break before the number: the column is narrow.
    return f"{'≥' if finding.name == 'minority_label' else '≤'}\u00a0{finding.bound:g}"


def _findings(findings: Sequence[Finding]) -> Table:
    order = {"broken": 0, "passed": 1, "noted": 2}
    return Table(
        columns=["source", "figure", "value", "allowed", "what it says"],
        rows=[
            [
                text_cell(each.source),
                text_cell(each.name),
                _value(each),
                text_cell(_bound(each)),
                text_cell(each.sentence),
            ]
            for each in sorted(findings, key=lambda finding: order[finding.severity])
        ],
        note="Red breaks a bound, green keeps to it; the rest has none. AUCs count in either direction: 0.1 says as much "
        "as 0.9.",
    )


def _value(finding: Finding) -> Cell:
    is_count = float(finding.value).is_integer() and not isinstance(finding.bound, float)
    return number_cell(finding.value, form=",.0f" if is_count else ".3f", tone=TONES[finding.severity])


def _sources(audits: Sequence[SourceAudit]) -> Table:
    return Table(
        columns=["source", "rows of", "rows", "refused", "good", "bad", "SHA-256"],
        rows=[
            [
                text_cell(each.source.name),
                text_cell(each.source.kind),
                number_cell(len(each.source.entries), form=","),
                number_cell(len(each.source.refused), form=",", tone="bad" if each.source.refused else "plain"),
                number_cell(each.labels.good if each.labels else None, form=","),
                number_cell(each.labels.bad if each.labels else None, form=","),
                text_cell(each.source.sha256[:16], note=each.source.sha256),
            ]
            for each in audits
        ],
        note="Good and bad: texts by label; of pairs the chosen and the rejected ones.",
    )


def _leaks(leaks: Sequence[tuple[str, Sequence[Leaks]]], findings: Sequence[Finding]) -> Iterator[Block]:
    rows = [(name, each) for name, some in leaks for each in some]
    tones = {(each.source, each.evaluation, each.name): TONES[each.severity] for each in findings}

    def count(value: int, name: str, leak: Leaks, finding: str) -> Cell:
        return number_cell(value, form=",", tone=tones.get((name, leak.evaluation, finding), "plain"))

    yield Table(
        columns=[
            "source",
            "evaluation",
            "rows there",
            "prompt stands here",
            "prompt nearly",
            "texts there",
            "text stands here",
            "text nearly",
            "rows here",
        ],
        rows=[
            [
                text_cell(name),
                text_cell(each.evaluation),
                number_cell(each.rows, form=","),
                count(each.prompts_exact, name, each, "leaked_prompts"),
                number_cell(each.prompts_near, form=","),
                number_cell(sum(each.texts.values()), form=","),
                count(each.texts_exact, name, each, "leaked_texts"),
                count(each.texts_near, name, each, "near_leaked_texts"),
                number_cell(each.tainted_rows, form=","),
            ]
            for name, each in rows
        ],
        note="Rows there: of the evaluation. Rows here: of the source, with a text of the evaluation, exactly or nearly.",
    )
    by_label = [(name, each, leak) for name, each in rows for leak in each.by_label]
    if by_label:
        yield Table(
            title="By label",
            columns=["source", "evaluation", "there", "here", "of", "exactly", "nearly"],
            rows=[
                [
                    text_cell(name),
                    text_cell(each.evaluation),
                    text_cell(leak.evaluated),
                    text_cell(leak.known_as),
                    number_cell(each.texts[leak.evaluated], form=","),
                    number_cell(leak.exact, form=","),
                    number_cell(leak.near, form=","),
                ]
                for name, each, leak in by_label
            ],
            note="What the evaluation calls a text, and what the rows here call it; without labels it is an example.",
        )


def _repeats(audits: Sequence[SourceAudit]) -> Table:
    return Table(
        columns=["source", "what", "all", "stand there before", "different", "nearly another", "largest group"],
        rows=[
            [
                text_cell(audit.source.name),
                text_cell(each.what),
                number_cell(each.total, form=","),
                number_cell(each.repeated, form=","),
                number_cell(each.distinct, form=","),
                number_cell(each.near, form=","),
                number_cell(each.largest_group, form=","),
            ]
            for audit in audits
            for each in audit.repeats
        ],
        note="The largest group: rows that are joined by it, exactly or nearly, also by way of others.",
    )


def _lengths(audits: Sequence[SourceAudit]) -> Iterator[Block]:
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


def _styles(audits: Sequence[SourceAudit]) -> Table:
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


def _odd(audits: Sequence[SourceAudit]) -> Table:
    return Table(
        columns=["source", *(oddity.value for oddity in Oddity)],
        rows=[
            [
                text_cell(audit.source.name),
                *(
                    number_cell(
                        audit.odd.count(oddity),
                        form=",",
                        tone="bad" if oddity in DAMAGED and audit.odd.count(oddity) else "plain",
                    )
                    for oddity in Oddity
                ),
            ]
            for audit in audits
        ],
        note="; ".join(f"{oddity.value}: {oddity.description}" for oddity in Oddity),
    )


def _folded(audit: Audit) -> Iterator[Section]:
    """Long lists of texts."""
    refused = [(each.source.name, row) for each in audit.sources for row in each.source.refused]
    if refused:
        rows = [[text_cell(name), number_cell(row.row, form=","), text_cell(row.reason)] for name, row in refused]
        yield Section(
            title="Rows that no loader takes", blocks=[Table(columns=["source", "row", "why"], rows=rows)], folded=True
        )
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
        columns = ["source", "under", "text", "good in row", "bad in row"]
        yield Section(title="Called good and bad", blocks=[Table(columns=columns, rows=both)], folded=True)
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
