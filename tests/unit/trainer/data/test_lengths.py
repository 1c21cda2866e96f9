"""The length rule against brute force, and its AUC against the general one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.lengths import LengthRule, best_rule, close_in_length, length_auc
from trainer.evaluation.auc import auc, length_stratified_auc

ROWS = st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0, 1])), min_size=1, max_size=40)


@given(ROWS)
def test_no_rule_is_better_than_the_best_one(rows: list[tuple[int, int]]) -> None:
    lengths, labels = [length for length, _ in rows], [label for _, label in rows]
    every = [
        LengthRule(characters=characters, longer_is_good=longer).accuracy(lengths, labels)
        for characters in range(33)
        for longer in (True, False)
    ]
    assert best_rule(lengths, labels).accuracy(lengths, labels) == pytest.approx(max(every))


def test_the_rule_says_what_it_is() -> None:
    rule = best_rule([20, 30, 43, 60], [0, 0, 1, 1])
    assert str(rule) == "at least 43 characters"
    assert rule.is_good([42, 43]).tolist() == [False, True]
    assert str(best_rule([20, 30, 43, 60], [1, 1, 0, 0])) == "fewer than 43 characters"


def test_a_rule_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 lengths"):
        best_rule([], [])


@given(ROWS)
def test_the_auc_of_length_is_that_of_any_score_that_equals_length(rows: list[tuple[int, int]]) -> None:
    lengths, labels = [length for length, _ in rows], [label for _, label in rows]
    good, bad = ([length for length, label in rows if label == wanted] for wanted in (1, 0))
    plain, stratified = length_auc(good, bad, resamples=20), length_auc(good, bad, stratified=True, resamples=20)
    if not (good and bad):
        assert plain is stratified is None
        return
    assert plain is not None
    assert plain.mean == pytest.approx(auc(lengths, labels, resamples=1).interval.mean)
    try:
        wanted = length_stratified_auc(lengths, labels, lengths, resamples=20).interval.mean
    except ValueError:  # no pair, or none in any resample
        return
    assert stratified is not None
    assert stratified.mean == pytest.approx(wanted)


def test_the_interval_is_that_of_a_bootstrap_over_texts() -> None:
    good, bad = [10 + number % 17 for number in range(300)], [8 + number % 19 for number in range(300)]
    whole = auc([*good, *bad], [1] * 300 + [0] * 300, resamples=4_000)
    found = length_auc(good, bad, resamples=4_000)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((whole.interval.low, whole.interval.high), abs=0.004)
    assert length_auc(good, bad, seed=3) == length_auc(good, bad, seed=3)


@pytest.mark.parametrize(("first", "second", "alike"), [(20, 25, True), (20, 26, False), (1, 1, True), (9, 11, True)])
def test_two_lengths_are_close_within_a_fifth_of_the_greater_one(first: int, second: int, alike: bool) -> None:
    assert close_in_length(first, second) is close_in_length(second, first) is alike
