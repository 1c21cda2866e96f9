"""How much of the labels the style of a text says: a model of its characters that never sees the request."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from trainer.data.entries import Entry, Kind, Source
from trainer.data.lengths import close_in_length
from trainer.data.matching import in_order
from trainer.data.split.exclusion import sound_entries, without
from trainer.evaluation.auc import Floats, auc, length_stratified_auc
from trainer.evaluation.intervals import Interval, bootstrap_mean
from trainer.evaluation.rewards.groups import FOLDS, Integers
from trainer.evaluation.rewards.ngrams import NgramModel, fit_ngrams

MOST_TEXTS = 2_000
"""Of each label, for the AUC: drawn where there are more, as time and memory grow with their product."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StyleShortcut:
    """What the model scores on texts that it was not fitted on.

    Attributes:
        fitted_on: Texts, in each fold where there are folds.
        texts: That it was asked about.
        auc: How often a good text has a higher score than a bad one; of drawn texts where there are very many.
        stratified_auc: The same among texts of about the same length; None where there are none.
        pairs: Share of pairs that it ranks right.
        pairs_alike: Of those within 20 % of each other in length.
    """

    fitted_on: int
    texts: int
    auc: Interval | None
    stratified_auc: Interval | None
    pairs: Interval | None
    pairs_alike: Interval | None


def fitted_in_folds(
    kind: Kind, entries: Sequence[Entry], folds: Integers, advance: Callable[[], None] = lambda: None
) -> StyleShortcut:
    """Each row scored by a model of the other folds, with which it shares nothing.

    Args:
        kind: Of the rows, which have labels.
        entries: ``(rows,)``.
        folds: ``(rows,)``, `FOLDS` of them.
        advance: Told of each model fitted.
    """
    scores: list[Floats] = [np.empty(0)] * len(entries)
    for fold in range(FOLDS):
        model = fit([entry for entry, its in zip(entries, folds, strict=True) if its != fold])
        inside = [index for index, its in enumerate(folds) if its == fold]
        for index, found in zip(inside, _scores(model, [entries[index] for index in inside]), strict=True):
            scores[index] = found
        advance()
    texts = sum(len(entry.completions) for entry in entries)
    return _measured(kind, entries, scores, fitted_on=texts * (FOLDS - 1) // FOLDS)


def fitted_without(source: Source, evaluation: Source, *, near: float) -> StyleShortcut | None:
    """A model of the data scores an evaluation, none of which stands in the data exactly or nearly.

    None where nothing, or one label only, is left to fit it on.
    """
    sound, _ = sound_entries(source.entries)
    kept, _ = without(sound, evaluation.entries, near=near, prompts="exact")
    if {each.label for entry in kept for each in entry.completions} != {0, 1}:
        return None
    scores = _scores(fit(kept), evaluation.entries)
    fitted_on = sum(len(entry.completions) for entry in kept)
    return _measured(evaluation.kind, evaluation.entries, scores, fitted_on=fitted_on)


def fit(entries: Sequence[Entry]) -> NgramModel:
    """The model of all texts of some rows."""
    from threadpoolctl import threadpool_limits  # scikit-learn brings it

    texts = [each for entry in entries for each in entry.completions]
    # The fit is many small products: a second thread for each gains nothing, and on a busy machine costs much.
    with threadpool_limits(limits=1, user_api="blas"):
        return fit_ngrams([each.text for each in texts], [each.label or 0 for each in texts])


def _scores(model: NgramModel, entries: Sequence[Entry]) -> list[Floats]:
    """Of each row, of each of its texts."""
    flat = model.scores([each.text for entry in entries for each in entry.completions])
    ends = np.cumsum([len(entry.completions) for entry in entries])
    return [flat[end - len(entry.completions) : end] for end, entry in zip(ends, entries, strict=True)]


def _measured(kind: Kind, entries: Sequence[Entry], scores: Sequence[Floats], *, fitted_on: int) -> StyleShortcut:
    texts = [
        (float(score), each.label or 0, len(each.text))
        for entry, found in zip(entries, scores, strict=True)
        for score, each in zip(found, entry.completions, strict=True)
    ]
    drawn = [text for label in (1, 0) for text in _drawn([text for text in texts if text[1] == label])]
    values, labels, lengths = ([text[place] for text in drawn] for place in range(3))
    both = len(set(labels)) > 1
    won = [float(found[0] > found[1]) + 0.5 * float(found[0] == found[1]) for found in scores if len(found) > 1]
    alike = [
        share
        for share, entry in zip(won, entries, strict=False)
        if close_in_length(*(len(each.text) for each in entry.completions))
    ]
    return StyleShortcut(
        fitted_on=fitted_on,
        texts=len(texts),
        auc=auc(values, [int(label) for label in labels]).interval if both else None,
        stratified_auc=_stratified(values, [int(label) for label in labels], lengths) if both else None,
        pairs=bootstrap_mean(won) if kind == "pairs" else None,
        pairs_alike=bootstrap_mean(alike) if kind == "pairs" and alike else None,
    )


def _stratified(values: Sequence[float], labels: Sequence[int], lengths: Sequence[float]) -> Interval | None:
    try:
        return length_stratified_auc(values, labels, lengths).interval
    except ValueError:  # no two texts of about the same length
        return None


def _drawn(texts: Sequence[tuple[float, int, int]]) -> Sequence[tuple[float, int, int]]:
    return (
        texts
        if len(texts) <= MOST_TEXTS
        else in_order(texts, [str(n) for n in range(len(texts))], "style")[:MOST_TEXTS]
    )
