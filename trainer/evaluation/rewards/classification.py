"""How good decisions are: accuracy, precision, recall and F1, as statistics that can be resampled."""

from __future__ import annotations

import numpy as np

from trainer.evaluation.rewards.groups import Integers
from trainer.evaluation.rewards.resampling import Statistic, ratio_of, share_of


def accuracy(decisions: Integers, labels: Integers) -> Statistic:
    """The share of rows that are decided as they are labelled."""
    return share_of((decisions == labels).astype(np.float64))


def precision(decisions: Integers, labels: Integers) -> Statistic:
    """Of the rows that are called good, the share that is; none where nothing is called good."""
    return ratio_of(_both(decisions, labels), decisions.astype(np.float64))


def recall(decisions: Integers, labels: Integers) -> Statistic:
    """Of the good rows, the share that is called good."""
    return ratio_of(_both(decisions, labels), labels.astype(np.float64))


def f1(decisions: Integers, labels: Integers) -> Statistic:
    """The harmonic mean of precision and recall; 0 where nothing is called good."""
    return ratio_of(2 * _both(decisions, labels), (decisions + labels).astype(np.float64))


def _both(decisions: Integers, labels: Integers) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return (decisions * labels).astype(np.float64)
