"""An audit as a report for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainer.data.audit.document_lists import folded_lists
from trainer.data.audit.document_shortcuts import length_blocks, style_table
from trainer.data.audit.findings import Finding
from trainer.data.audit.job import TOGETHER, Audit
from trainer.data.audit.leaks import Leaks
from trainer.data.audit.odd_texts import Oddity
from trainer.data.audit.record import settings_of
from trainer.data.audit.source_audit import SourceAudit
from trainer.report.document import (
    Block,
    Cell,
    Document,
    Notice,
    Section,
    Table,
    Tone,
    number_cell,
    text_cell,
)

TONES: dict[str, Tone] = {"broken": "bad", "passed": "good", "noted": "plain"}


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
        sections.append(Section(title="Length", blocks=list(length_blocks(audit.sources))))
    if any(each.style or each.style_on for each in audit.sources):
        sections.append(Section(title="Style", blocks=[style_table(audit.sources)]))
    sections.append(Section(title="Odd texts", blocks=[_odd(audit.sources)]))
    sections += folded_lists(audit)
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
        note="Red breaks a bound, green keeps to it; the rest has none. AUCs count in either direction: 0.1 says as "
        "much as 0.9.",
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
        note="Rows there: of the evaluation. Rows here: of the source, with a text of the evaluation or nearly one.",
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


def _odd(audits: Sequence[SourceAudit]) -> Table:
    return Table(
        columns=["source", *(oddity.value for oddity in Oddity)],
        rows=[
            [
                text_cell(audit.source.name),
                *(number_cell(audit.odd.count(oddity), form=",") for oddity in Oddity),
            ]
            for audit in audits
        ],
        note="; ".join(f"{oddity.value}: {oddity.description}" for oddity in Oddity),
    )
