"""All that is measured of one source."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from trainer.data.audit.labels import Labels, labels_of
from trainer.data.audit.leaks import Leaks, leaks_into
from trainer.data.audit.length_shortcut import LengthShortcut, length_shortcut, rule_on
from trainer.data.audit.odd_texts import OddTexts, odd_texts
from trainer.data.audit.repeats import Repeats, repeats_of
from trainer.data.audit.style_shortcut import StyleShortcut, fitted_in_folds, fitted_without
from trainer.data.clusters import clustered
from trainer.data.entries import Entry, Source
from trainer.data.similarity import Ticks
from trainer.evaluation.rewards.groups import FOLDS, Integers, folds_of

LEAST_OF_LABEL = 20
"""With fewer texts of a label, a model of style says nothing."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SourceAudit:
    """One source.

    Attributes:
        source: Its rows, and those that no loader takes.
        repeats: Rows, prompts and texts that stand there again.
        labels: None without labels.
        leaks: Of each evaluation.
        length: None without texts.
        length_on: Accuracy of the best length rule of the source on each evaluation with labels.
        style: Cross-fitted on the source itself; None without labels, or with too few of them.
        style_on: The same model fitted on all of the source that does not leak, on each evaluation with labels.
        odd: Texts that are odd.
    """

    source: Source
    repeats: Sequence[Repeats]
    labels: Labels | None
    leaks: Sequence[Leaks]
    length: LengthShortcut | None
    length_on: Mapping[str, float]
    style: StyleShortcut | None
    style_on: Mapping[str, StyleShortcut]
    odd: OddTexts


def audit_source(
    source: Source, evaluations: Sequence[Source], *, near: float, longest: int, seed: int, ticks: Ticks
) -> SourceAudit:
    """Measure one source against some evaluations.

    Args:
        source: To be audited.
        evaluations: What it must not leak into.
        near: Least similarity of texts that count as nearly the same.
        longest: Characters that a text may have.
        seed: Of the folds.
        ticks: Of the progress.
    """
    entries = source.entries
    labels = labels_of(entries)
    repeats = repeats_of(entries, near=near, tick=ticks(f"{source.name}: near texts"))
    leaks = [
        leaks_into(source, each, near=near, tick=ticks(f"{source.name}: leaks into {each.name}"))
        for each in evaluations
    ]
    folds = _folds(entries, near, seed)
    style, style_on = None, dict[str, StyleShortcut]()
    if labels and min(labels.good, labels.bad) >= LEAST_OF_LABEL:
        tick = ticks(f"{source.name}: style")
        total = FOLDS + len(evaluations)
        if folds is not None and _both_labels_everywhere(entries, folds):
            done = iter(range(1, FOLDS + 1))
            style = fitted_in_folds(
                source.kind, entries, folds, advance=lambda: tick(next(done), total) if tick else None
            )
        for number, each in enumerate(evaluations, start=FOLDS + 1):
            if labels_of(each.entries) and (found := fitted_without(source, each, near=near)):
                style_on[each.name] = found
            if tick:
                tick(number, total)
    length = length_shortcut(source.kind, entries, folds)
    rule = length.rule if length else None
    length_on = {
        each.name: right for each in evaluations if rule and (right := rule_on(rule, each.entries)) is not None
    }
    return SourceAudit(
        source=source,
        repeats=repeats,
        labels=labels,
        leaks=leaks,
        length=length,
        length_on=length_on,
        style=style,
        style_on=style_on,
        odd=odd_texts(entries, longest=longest),
    )


def _folds(entries: Sequence[Entry], near: float, seed: int) -> Integers | None:
    """Of rows that share nothing across folds; None where too few do not."""
    clusters = clustered(entries, near=near, prompts="exact")
    numbers: dict[int, int] = {}
    groups = np.asarray([numbers.setdefault(clusters.of(row), len(numbers)) for row in range(len(entries))])
    return folds_of(groups, seed=seed) if len(numbers) >= FOLDS else None


def _both_labels_everywhere(entries: Sequence[Entry], folds: Integers) -> bool:
    """Whether the rest of each fold has texts of both labels."""
    return all(
        {each.label for entry, its in zip(entries, folds, strict=True) if its != fold for each in entry.completions}
        == {0, 1}
        for fold in range(FOLDS)
    )
