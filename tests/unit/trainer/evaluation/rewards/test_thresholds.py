"""The threshold that is right most often, and decisions that are not made of their own labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.evaluation.rewards.thresholds import best_threshold, cross_fitted


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 1)), min_size=1, max_size=30))
def test_no_threshold_is_right_more_often(rows: list[tuple[int, int]]) -> None:
    scores, labels = np.asarray([row[0] for row in rows], dtype=np.float64), np.asarray([row[1] for row in rows])
    found = best_threshold(scores, labels)
    best = max(int(((scores >= place) == labels).sum()) for place in np.arange(-6, 7, 0.5))
    assert int(((scores >= found) == labels).sum()) == best


def test_it_lies_in_the_middle_of_the_gap() -> None:
    assert best_threshold(np.asarray([1.0, 2.0, 5.0, 6.0]), np.asarray([0, 0, 1, 1])) == 3.5
    with pytest.raises(ValueError, match="no rows"):
        best_threshold(np.zeros(0), np.zeros(0, dtype=np.int64))


def test_each_fold_is_decided_by_the_others() -> None:
    scores = np.asarray([1.0, 4.0, 10.0, 40.0])
    labels = np.asarray([0, 1, 0, 1])
    # The first fold would be cut at 2.5 by its own labels; the second says 25, and the other way round.
    assert cross_fitted(scores, labels, np.asarray([0, 0, 1, 1])).tolist() == [0, 0, 1, 1]
