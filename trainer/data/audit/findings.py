"""What an audit finds, held against bounds: a CI that runs it fails where one is broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

from shared.errors import InvalidRequest
from trainer.data.audit.labels import Labels
from trainer.data.audit.leaks import Leaks
from trainer.data.audit.odd_texts import DAMAGED, Oddity, OddTexts
from trainer.data.audit.source_audit import SourceAudit
from trainer.data.audit.style_shortcut import StyleShortcut

Severity = Literal["passed", "noted", "broken"]
"""``noted``: there is no bound for it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of each is allowed; the names are those of the findings."""

    refused_rows: int = 0
    same_text: int = 0
    contradictions: int = 0
    repeated_rows: float = 0.01
    near_texts: float = 0.05
    leaked_texts: int = 0
    near_leaked_texts: int = 0
    leaked_prompts: int = 0
    minority_label: float = 0.2
    """At least, unlike all others."""
    length_auc: float = 0.65
    longer_wins: float = 0.65
    style_auc: float = 0.85
    damaged_texts: int = 0
    long_texts: int = 0
    longest: int = 1_000
    """Characters; what has more is a long text."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not value >= 0:  # NaN as well
                raise InvalidRequest(f"the bound on {field.name} is {value:g}; it cannot be below 0")
            if isinstance(field.default, float) and value > 1:
                raise InvalidRequest(f"the bound on {field.name} is a share, at most 1, not {value:g}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure of one source.

    Attributes:
        source: Its name.
        name: Which figure.
        value: How much.
        bound: How much is allowed, if that is bounded.
        severity: What that makes of it.
        sentence: What it says.
        evaluation: Which evaluation it is about, where it is about one.
    """

    source: str
    name: str
    value: float
    bound: float | None
    severity: Severity
    sentence: str
    evaluation: str | None = None


def findings_of(audit: SourceAudit, bounds: Bounds) -> list[Finding]:
    """All findings of one source, in the order in which they are reported."""
    leaks = [found for each in audit.leaks for found in _leaks(each, has_texts=audit.length is not None)]
    made = [*_rows(audit), *leaks, *_shortcuts(audit), *_odd(audit.odd, bounds.longest)]
    return [_judged(audit.source.name, found, bounds) for found in made]


def leak_findings(source: str, leaks: Sequence[Leaks], bounds: Bounds, *, has_texts: bool) -> list[Finding]:
    """Findings about leaks alone."""
    return [_judged(source, found, bounds) for each in leaks for found in _leaks(each, has_texts=has_texts)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Found:
    name: str
    value: float
    sentence: str
    evaluation: str | None = None


def _judged(source: str, found: _Found, bounds: Bounds) -> Finding:
    bound: float | None = getattr(bounds, found.name, None)
    severity: Severity = "noted"
    if bound is not None:
        is_within = found.value >= bound if found.name == "minority_label" else found.value <= bound
        severity = "passed" if is_within else "broken"
    return Finding(
        source=source,
        name=found.name,
        value=found.value,
        bound=bound,
        severity=severity,
        sentence=found.sentence,
        evaluation=found.evaluation,
    )


def _rows(audit: SourceAudit) -> Iterator[_Found]:
    refused = len(audit.source.refused)
    yield _Found("refused_rows", refused, f"rows that no loader takes: {refused:,}")
    if audit.labels:
        yield from _labels(audit.labels, is_pairs=audit.source.kind == "pairs")
    for repeats in audit.repeats:
        sentence = f"{repeats.what} that stand there before: {repeats.repeated:,} of {repeats.total:,}"
        yield _Found(f"repeated_{repeats.what}", repeats.share, sentence)
        if repeats.near is not None and repeats.near_share is not None:
            sentence = f"different {repeats.what} that nearly are another: {repeats.near:,} of {repeats.distinct:,}"
            yield _Found(f"near_{repeats.what}", repeats.near_share, sentence)


def _labels(labels: Labels, *, is_pairs: bool) -> Iterator[_Found]:
    if is_pairs:
        same = len(labels.same_text_rows)
        yield _Found("same_text", same, f"pairs whose chosen and rejected text are the same: {same:,}")
    else:
        yield _Found("minority_label", labels.minority, f"labels: {labels.good:,} good, {labels.bad:,} bad")
    one, across = len(labels.one_prompt), len(labels.across_prompts)
    yield _Found("contradictions", one, f"texts called good and bad under one prompt: {one:,}")
    sentence = f"texts called good under one prompt and bad under another: {across:,}"
    yield _Found("contradictions_across_prompts", across, sentence)


def _leaks(leaks: Leaks, *, has_texts: bool) -> Iterator[_Found]:
    texts, where, rows = sum(leaks.texts.values()), leaks.evaluation, leaks.rows
    if texts and has_texts:
        for name, count, how in (
            ("leaked_texts", leaks.texts_exact, ""),
            ("near_leaked_texts", leaks.texts_near, "nearly "),
        ):
            told = f" ({_by_label(leaks, exact=not how)})" if count else ""
            yield _Found(name, count, f"texts of {where} that {how}stand here: {count:,} of {texts:,}{told}", where)
    exact, near = leaks.prompts_exact, leaks.prompts_near
    sentence = f"rows of {where} whose prompt stands here: {exact:,} of {rows:,}"
    yield _Found("leaked_prompts", exact, sentence, where)
    sentence = f"rows of {where} whose prompt nearly stands here: {near:,} of {rows:,}"
    yield _Found("near_leaked_prompts", near, sentence, where)


def _by_label(leaks: Leaks, *, exact: bool) -> str:
    return "; ".join(
        f"{leak.evaluated} there, {leak.known_as} here: {count:,} of {leaks.texts[leak.evaluated]:,}"
        for leak in leaks.by_label
        if (count := leak.exact if exact else leak.near)
    )


def _shortcuts(audit: SourceAudit) -> Iterator[_Found]:
    if audit.length and audit.length.auc and audit.length.rule:
        # A rule may as well prefer the shorter text: 0.1 says as much as 0.9.
        value, rule = audit.length.auc.mean, audit.length.rule
        fitted = audit.length.fitted_accuracy
        held_out = "" if fitted is None else f" (cross-fitted {fitted:.1%})"
        yield _Found(
            "length_auc",
            max(value, 1 - value),
            f"AUC of length alone: {audit.length.auc}; “good with {rule}” is right on "
            f"{audit.length.accuracy:.1%}{held_out}",
        )
    for where, right in audit.length_on.items():
        yield _Found("length_rule_on_evaluation", right, f"the same rule on {where}: right on {right:.1%}", where)
    if audit.length and (wins := audit.length.longer_wins):
        alike = audit.length.longer_wins_alike
        half = wins.share_ties_half.mean
        within = f"; within 20 % in length: {alike.share.mean:.1%} of {alike.pairs:,}" if alike else ""
        sentence = f"pairs whose longer text is the better one: {wins.share.mean:.1%} of {wins.pairs:,}{within}"
        yield _Found("longer_wins", max(half, 1 - half), sentence)
    if audit.style and audit.style.auc:
        value = audit.style.auc.mean
        sentence = f"AUC of style alone, without the prompt: {audit.style.auc}{_stratified(audit.style)}"
        yield _Found("style_auc", max(value, 1 - value), sentence)
    if audit.labels and not audit.style:
        yield _Found("style_not_measured", 1, "style alone was not measured: there are too few rows that share nothing")
    for where, style in audit.style_on.items():
        if style.auc:
            sentence = f"AUC on {where} of style learnt here, without what leaks: {style.auc}{_stratified(style)}"
            yield _Found("style_auc_on_evaluation", style.auc.mean, sentence, where)


def _stratified(style: StyleShortcut) -> str:
    return f"; among texts of about the same length: {style.stratified_auc}" if style.stratified_auc else ""


def _odd(odd: OddTexts, longest: int) -> Iterator[_Found]:
    damaged = odd.count(*DAMAGED)
    yield _Found("damaged_texts", damaged, f"rows with broken or invisible characters, or markup: {damaged:,}")
    long = odd.count(Oddity.LONG)
    yield _Found("long_texts", long, f"rows with a text of more than {longest:,} characters: {long:,}")
    rest = odd.count(Oddity.SHORT, Oddity.WORDLESS, Oddity.EDGES)
    yield _Found("odd_texts", rest, f"rows with a text that is very short, wordless, or has space at an end: {rest:,}")
