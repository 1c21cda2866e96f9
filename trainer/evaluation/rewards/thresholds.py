"""From which score on a text is called good, where a reward does not say so itself."""

from __future__ import annotations

import numpy as np

from trainer.evaluation.auc import Floats
from trainer.evaluation.rewards.groups import Integers


def best_threshold(scores: Floats, labels: Integers) -> float:
    """The threshold with which "good where the score reaches it" is right most often.

    Between two scores that would do it lies in the middle; of several such places it is the middle one.

    Args:
        scores: ``(rows,)``, finite.
        labels: ``(rows,)``, 1 or 0.

    Raises:
        ValueError: There are no rows.
    """
    if scores.size == 0:
        raise ValueError("no rows: no threshold can be chosen")
    values, places = np.unique(scores, return_inverse=True)
    good = np.bincount(places, weights=labels, minlength=values.size)
    bad = np.bincount(places, weights=1 - labels, minlength=values.size)
    # Place i: the scores below values[i] are called bad; at the last place all are.
    right = np.concatenate([[0.0], np.cumsum(bad)]) + np.concatenate([np.cumsum(good[::-1])[::-1], [0.0]])
    best = np.flatnonzero(right == right.max())
    place = int(best[best.size // 2])
    if place == 0:
        return float(values[0])
    if place == values.size:
        return float(np.nextafter(values[-1], np.inf))
    middle = (values[place - 1] + values[place]) / 2
    return float(middle if middle > values[place - 1] else values[place])


def cross_fitted(scores: Floats, labels: Integers, folds: Integers) -> Integers:
    """``(rows,)``, 1 or 0: each fold decided by the threshold that is best on the other folds.

    Raises:
        ValueError: One fold holds all rows.
    """
    decisions = np.zeros(scores.size, dtype=np.int64)
    for fold in np.unique(folds):
        here = folds == fold
        decisions[here] = scores[here] >= best_threshold(scores[~here], labels[~here])
    return decisions
