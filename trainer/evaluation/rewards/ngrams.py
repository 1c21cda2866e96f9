"""The baseline that reads style alone: which runs of one to three characters a text has, and nothing of its request."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.evaluation.auc import Floats

LONGEST = 3
REGULARISATION = 1.0
"""scikit-learn's C."""
MOST_STEPS = 1_000


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NgramModel:
    """A logistic regression over the runs of characters of a text; each counts once, however often it stands there.

    Of presence, counts and tf-idf with C of 0.1, 1 and 10 it has the highest AUC by cross-validation on the paper's
    training pairs, and at equal length is within 0.001 of the best (docs/rewards.md).
    """

    pipeline: Any

    def scores(self, texts: Sequence[str]) -> Floats:
        """``(texts,)``, log-odds that a text is good."""
        found: Floats = np.asarray(self.pipeline.decision_function(list(texts)), dtype=np.float64)
        return found


def fit_ngrams(texts: Sequence[str], labels: Sequence[int]) -> NgramModel:
    """Fit one; a few seconds for ten thousand texts.

    Raises:
        ValueError: One of the two labels is missing, or all texts are empty.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # slow to import
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    pipeline = make_pipeline(
        CountVectorizer(analyzer="char", ngram_range=(1, LONGEST), binary=True, lowercase=False),
        LogisticRegression(C=REGULARISATION, max_iter=MOST_STEPS),
    )
    with threadpool_limits(limits=1):  # its steps are so short that threads wait for each other: 20 times as long
        pipeline.fit(list(texts), np.asarray(labels))
    return NgramModel(pipeline)


def probabilities_of(log_odds: Floats) -> Floats:
    """The probabilities of log-odds."""
    found: Floats = 0.5 * (1 + np.tanh(log_odds / 2))  # no overflow
    return found
