"""Baselines that know nothing of greetings: the length, the style, and one answer for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from shared.errors import InvalidData
from trainer.evaluation.auc import Floats
from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.groups import FOLDS, Integers
from trainer.evaluation.rewards.material import Material
from trainer.evaluation.rewards.ngrams import fit_ngrams, probabilities_of
from trainer.evaluation.rewards.thresholds import best_threshold, cross_fitted

LENGTH_RULE, NGRAMS, CHANCE = "length rule", "character n-grams", "chance (one answer)"
"""No name of a reward has a space."""


def baseline_columns(material: Material, advance: Callable[[], None] = lambda: None) -> list[Column]:
    """All three.

    Args:
        material: What is evaluated.
        advance: Told of each n-gram model that is fitted; see `fits`.
    """
    return [length_rule(material), ngrams(material, advance), chance(material)]


def fits(material: Material) -> int:
    """How many n-gram models `baseline_columns` fits."""
    return FOLDS if material.training is None else 1


def length_rule(material: Material) -> Column:
    """Good is what has so many characters."""
    rows = len(material.rows)
    lengths = np.asarray([len(completion) for _, completion in material.texts], dtype=np.float64)
    if material.training is None:
        decisions = cross_fitted(lengths[:rows], material.labels, material.folds[:rows])
        decided_by = "a length cross-fitted on the data"
    else:
        known = np.asarray([len(row.completion) for row in material.training.rows], dtype=np.float64)
        threshold = int(np.ceil(best_threshold(known, _labels_of(material))))
        decisions = (lengths[:rows] >= threshold).astype(np.int64)
        decided_by = f"{threshold} characters, chosen on --train"
    return Column(
        name=LENGTH_RULE,
        kind="baseline",
        scores=lengths[:rows],
        decisions=decisions,
        decided_by=decided_by,
        probabilities=None,
        pairs=lengths[rows:].reshape(-1, 2),
        note="counts characters",
    )


def ngrams(material: Material, advance: Callable[[], None] = lambda: None) -> Column:
    """A logistic regression on the characters of the text, which never sees the request."""
    rows = len(material.rows)
    texts = [completion for _, completion in material.texts]
    if material.training is None:
        scores = _cross_fitted(material, texts, advance)
        note = f"never sees the request; cross-fitted on the data, {FOLDS} folds by request and text"
    else:
        model = fit_ngrams([row.completion for row in material.training.rows], _labels_of(material).tolist())
        advance()
        scores = model.scores(texts)
        note = (
            f"never sees the request; trained on {len(material.training.rows):,} rows of --train, "
            f"{material.training.leaked:,} left out whose text is evaluated"
        )
    probabilities = probabilities_of(scores[:rows])
    return Column(
        name=NGRAMS,
        kind="baseline",
        scores=scores[:rows],
        decisions=(probabilities >= 0.5).astype(np.int64),
        decided_by="its probability, from 0.5",
        probabilities=probabilities,
        pairs=scores[rows:].reshape(-1, 2),
        note=note,
    )


def chance(material: Material) -> Column:
    """Says the same of every text: good, or bad, whichever is more frequent."""
    rows = len(material.rows)
    labels = material.labels if material.training is None else _labels_of(material)
    share = float(labels.mean())
    return Column(
        name=CHANCE,
        kind="baseline",
        scores=np.zeros(rows),
        decisions=np.full(rows, 1 if share >= 0.5 else 0, dtype=np.int64),
        decided_by="the more frequent label",
        probabilities=np.full(rows, share),
        pairs=np.zeros((len(material.pairs), 2)),
        note="chance",
    )


def _labels_of(material: Material) -> Integers:
    assert material.training is not None
    return np.asarray([row.label for row in material.training.rows], dtype=np.int64)


def _cross_fitted(material: Material, texts: Sequence[str], advance: Callable[[], None]) -> Floats:
    """Every text is scored by a model that has seen neither it nor its request; only the rows have labels to learn."""
    rows = len(material.rows)
    labels = material.labels
    scores = np.zeros(len(texts))
    for fold in range(FOLDS):
        others = np.flatnonzero(material.folds[:rows] != fold).tolist()
        here = np.flatnonzero(material.folds == fold).tolist()
        if np.unique(labels[others]).size < 2:
            raise InvalidData(
                material.sources.data, "so many rows share a request or a text that none are left to fit on"
            )
        model = fit_ngrams([texts[place] for place in others], labels[others].tolist())
        scores[here] = model.scores([texts[place] for place in here])
        advance()
    return scores
