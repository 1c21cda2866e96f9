"""Pairs in which the length rule is right on just half."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.trainer.evaluation.rewards.made import labelled
from trainer.data.labelled import Labelled, load_labelled
from trainer.data.matching import about_as_long
from trainer.evaluation.rewards.matching import matched_rows


def half(rows: list[Labelled]) -> float:
    """How often the good text of a pair is the longer one, ties half."""
    pairs = matched_rows(rows, seed=0)
    gaps = [len(rows[good].completion) - len(rows[bad].completion) for good, bad in pairs]
    return float(np.mean([(gap > 0) + 0.5 * (gap == 0) for gap in gaps]))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 30), st.integers(0, 1)), min_size=1, max_size=60))
def test_no_row_is_in_two_pairs_and_lengths_say_nothing(drawn: list[tuple[int, int, int]]) -> None:
    rows = [
        Labelled(f"第{request}位", "字" * length + str(number), 1 if label else 0)
        for number, (request, length, label) in enumerate(drawn)
    ]
    pairs = matched_rows(rows, seed=0)
    assert len(set(pairs.ravel().tolist())) == pairs.size
    for good, bad in pairs:
        assert (rows[good].label, rows[bad].label) == (1, 0)
        same_length = len(rows[good].completion) == len(rows[bad].completion)
        assert same_length or (
            rows[good].prompt == rows[bad].prompt and about_as_long(rows[good].completion, rows[bad].completion)
        )
    if len(pairs):
        assert half(rows) == 0.5


@pytest.mark.parametrize("longer", [0.0, 20.0])
def test_where_good_texts_are_longer_the_pairs_are_fewer_but_as_even(longer: float) -> None:
    rows = labelled(300, longer=longer)
    assert half(rows) == 0.5
    assert len(matched_rows(rows, seed=0)) > (30 if longer else 100)


def test_most_pairs_of_the_starter_set_are_of_one_request() -> None:
    rows = load_labelled("starter:test")
    pairs = matched_rows(rows, seed=0)
    assert len(pairs) > 70
    assert sum(rows[good].prompt == rows[bad].prompt for good, bad in pairs) > len(pairs) / 2
