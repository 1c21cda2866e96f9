"""How score, label and length go together when one of them is held fixed."""

from __future__ import annotations

import numpy as np

from trainer.evaluation.auc import Floats
from trainer.evaluation.rewards.resampling import Statistic

NEARLY_NOTHING = 1e-12
"""Of a variance: rounding."""


def ranks(values: Floats) -> Floats:
    """Ranks from 1, ties averaged."""
    from scipy.stats import rankdata  # slow to import

    found: Floats = np.asarray(rankdata(values), dtype=np.float64)
    return found


def partial_correlation(first: Floats, second: Floats, given: Floats) -> Statistic:
    """Pearson's correlation of what a straight line through ``given`` leaves of two others.

    Of ranks it is Spearman's; resamples keep the ranks of the whole. NaN where one of the three does not vary, or
    where ``given`` tells all of one of them.
    """
    columns = np.stack([_standardised(column) for column in (first, second, given)])
    products = np.stack([columns[one] * columns[other] for one in range(3) for other in range(one, 3)], axis=1)

    def statistic(times: Floats) -> Floats:
        rows = times.sum(axis=1)
        means = (times @ columns.T) / rows[:, None]
        moments = (times @ products) / rows[:, None]
        covariances = {
            pair: moments[:, place] - means[:, pair[0]] * means[:, pair[1]]
            for place, pair in enumerate((one, other) for one in range(3) for other in range(one, 3))
        }
        variances = [_positive(covariances[(column, column)]) for column in range(3)]
        both, one, other = (
            covariances[(a, b)] / np.sqrt(variances[a] * variances[b]) for a, b in ((0, 1), (0, 2), (1, 2))
        )
        correlations: Floats = (both - one * other) / np.sqrt(_positive(1 - one**2) * _positive(1 - other**2))
        return np.clip(correlations, -1.0, 1.0)

    return statistic


def _standardised(values: Floats) -> Floats:
    """Mean 0 and variance 1: the moments of raw values would lose their digits."""
    spread = float(values.std())
    centred: Floats = values - values.mean()
    return centred / spread if spread > 0 else np.zeros_like(centred)


def _positive(values: Floats) -> Floats:
    """NaN for what is 0 but for rounding."""
    return np.where(values > NEARLY_NOTHING, values, np.nan)
