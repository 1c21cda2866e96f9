"""How much of the labels length alone says."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from trainer.data.entries import Entry, Kind
from trainer.data.lengths import LengthRule, best_rule, close_in_length, length_auc
from trainer.evaluation.intervals import Interval, bootstrap_mean
from trainer.evaluation.rewards.groups import Integers

SideName = str
"""``good``, ``bad``, or ``all`` where there are no labels."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LengthSummary:
    """Of some texts, in characters."""

    texts: int
    mean: float
    median: float
    low: float
    high: float
    """5 and 95 of 100 texts have fewer."""
    shortest: int
    longest: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LongerWins:
    """In how many pairs the chosen text is the longer one, as long, or the shorter one."""

    pairs: int
    longer: int
    equal: int
    share: Interval
    """In which it is longer, of all pairs: equal ones are lost."""
    share_ties_half: Interval
    """In which it is longer, equal ones counted half."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LengthShortcut:
    """What a rule that counts characters scores.

    Attributes:
        lengths: Of all texts, by label.
        summaries: Of these.
        rule: The best one on these very texts, and its accuracy there.
        accuracy: See above.
        fitted_accuracy: Of the best rule of the other folds, for rows that share nothing with them.
        auc: How often a good text is longer than a bad one.
        stratified_auc: The same among texts of about the same length.
        longer_wins: On pairs.
        longer_wins_alike: On pairs within 20 % of each other.
    """

    lengths: Mapping[SideName, Sequence[int]]
    summaries: Mapping[SideName, LengthSummary]
    rule: LengthRule | None = None
    accuracy: float | None = None
    fitted_accuracy: float | None = None
    auc: Interval | None = None
    stratified_auc: Interval | None = None
    longer_wins: LongerWins | None = None
    longer_wins_alike: LongerWins | None = None


def length_shortcut(kind: Kind, entries: Sequence[Entry], folds: Integers | None) -> LengthShortcut | None:
    """Measure it; None where rows have no texts.

    Args:
        kind: Of the rows.
        entries: All rows.
        folds: ``(rows,)``, of rows that share nothing across; None where there are too few.
    """
    sides: dict[SideName, list[int]] = {}
    for entry in entries:
        for each in entry.completions:
            sides.setdefault({1: "good", 0: "bad", None: "all"}[each.label], []).append(len(each.text))
    if not sides:
        return None
    summaries = {name: _summary(lengths) for name, lengths in sides.items()}
    if not ("good" in sides and "bad" in sides):
        return LengthShortcut(lengths=sides, summaries=summaries)
    lengths = [len(each.text) for entry in entries for each in entry.completions]
    labels = [each.label or 0 for entry in entries for each in entry.completions]
    rule = best_rule(lengths, labels)
    gaps = [_gap(entry) for entry in entries] if kind == "pairs" else []
    alike = [gap for gap, entry in zip(gaps, entries, strict=False) if close_in_length(*_lengths(entry))]
    return LengthShortcut(
        lengths=sides,
        summaries=summaries,
        rule=rule,
        accuracy=rule.accuracy(lengths, labels),
        fitted_accuracy=None if folds is None else _fitted(entries, folds),
        auc=length_auc(sides["good"], sides["bad"]),
        stratified_auc=length_auc(sides["good"], sides["bad"], stratified=True),
        longer_wins=_longer_wins(gaps),
        longer_wins_alike=_longer_wins(alike),
    )


def rule_on(rule: LengthRule, entries: Sequence[Entry]) -> float | None:
    """Accuracy of a rule on the labels of other rows; None where they have none."""
    texts = [(len(each.text), each.label) for entry in entries for each in entry.completions if each.label is not None]
    return rule.accuracy([length for length, _ in texts], [label for _, label in texts]) if texts else None


def _fitted(entries: Sequence[Entry], folds: Integers) -> float | None:
    """Share of texts told right by the best rule of the other folds."""
    rows = [
        (int(fold), len(each.text), each.label or 0)
        for fold, entry in zip(folds, entries, strict=True)
        for each in entry.completions
    ]
    fold, length, label = (np.asarray(column) for column in zip(*rows, strict=True))
    right = 0
    for number in np.unique(fold):
        inside = fold == number
        if inside.all():
            return None
        rule = best_rule(length[~inside].tolist(), label[~inside].tolist())
        right += int(np.sum(rule.is_good(length[inside].tolist()) == (label[inside] == 1)))
    return right / len(rows)


def _longer_wins(gaps: Sequence[int]) -> LongerWins | None:
    if not gaps:
        return None
    return LongerWins(
        pairs=len(gaps),
        longer=sum(gap > 0 for gap in gaps),
        equal=sum(gap == 0 for gap in gaps),
        share=bootstrap_mean([float(gap > 0) for gap in gaps]),
        share_ties_half=bootstrap_mean([(gap > 0) + 0.5 * (gap == 0) for gap in gaps]),
    )


def _summary(lengths: Sequence[int]) -> LengthSummary:
    low, high = np.percentile(lengths, [5, 95])
    return LengthSummary(
        texts=len(lengths),
        mean=statistics.fmean(lengths),
        median=statistics.median(lengths),
        low=float(low),
        high=float(high),
        shortest=min(lengths),
        longest=max(lengths),
    )


def _lengths(entry: Entry) -> tuple[int, int]:
    good, bad = entry.completions
    return len(good.text), len(bad.text)


def _gap(entry: Entry) -> int:
    good, bad = _lengths(entry)
    return good - bad
