"""AUC, plain and among texts of about the same length: as scikit-learn has it, and as pairs counted one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from trainer.evaluation.auc import Auc, auc, length_stratified_auc, ranked_near_pairs


def rows(count: int, *, seed: int, shift: float = 0.0) -> tuple[list[float], list[int], list[int]]:
    """Scores that are higher for positive rows by ``shift``, with ties; labels; lengths."""
    random = np.random.default_rng(seed)
    labels = [int(value) for value in random.integers(0, 2, count)]
    scores = [float(round(random.normal() + shift * label, 1)) for label in labels]
    lengths = [int(value) for value in random.integers(5, 80, count)]
    return scores, labels, lengths


def test_the_plain_figure_is_that_of_scikit_learn() -> None:
    scores, labels, _ = rows(200, seed=1, shift=0.7)
    found = auc(scores, labels)
    assert found.interval.mean == pytest.approx(roc_auc_score(labels, scores))
    assert found.positives == sum(labels)
    assert found.negatives == 200 - sum(labels)
    assert found.pairs == found.positives * found.negatives
    assert found.rows == 200


def test_the_stratified_figure_counts_the_pairs_of_about_one_length() -> None:
    scores, labels, lengths = rows(60, seed=2, shift=0.5)
    won, pairs = 0.0, 0
    positives, negatives = set(), set()
    for first in range(60):
        for second in range(60):
            near = abs(lengths[first] - lengths[second]) <= max(3.0, 0.2 * (lengths[first] + lengths[second]) / 2)
            if labels[first] == 1 and labels[second] == 0 and near:
                pairs += 1
                won += (scores[first] > scores[second]) + 0.5 * (scores[first] == scores[second])
                positives.add(first)
                negatives.add(second)
    found = length_stratified_auc(scores, labels, lengths, 0.2, 3)
    assert found.interval.mean == pytest.approx(won / pairs)
    assert (found.pairs, found.positives, found.negatives) == (pairs, len(positives), len(negatives))


def test_ties_count_half() -> None:
    assert auc([1.0, 1.0], [1, 0]).interval.mean == 0.5
    assert auc([math.inf, math.inf], [1, 0]).interval.mean == 0.5
    assert auc([1.0, 1.0, 0.0], [1, 0, 0]).interval.mean == 0.75


def test_what_only_counts_characters_is_found_out() -> None:
    random = np.random.default_rng(3)
    labels = [1] * 300 + [0] * 300
    lengths = [float(round(value)) for value in (*random.normal(60, 15, 300), *random.normal(35, 15, 300))]
    lengths = [max(1.0, length) for length in lengths]
    assert auc(lengths, labels).interval.mean > 0.8
    # Within a stratum the longer ones are still the better ones a little more often.
    assert length_stratified_auc(lengths, labels, lengths).interval.mean < 0.6


def test_the_interval_covers_the_true_figure_about_95_times_in_100() -> None:
    truth = 0.5 * (1 + math.erf(0.5))  # of two normal distributions 1 apart
    covered = 0
    for seed in range(150):
        random = np.random.default_rng(seed)
        scores = [*random.normal(1, 1, 40), *random.normal(0, 1, 40)]
        interval = auc(scores, [1] * 40 + [0] * 40, resamples=400, seed=seed).interval
        covered += interval.low <= truth <= interval.high
    assert 132 <= covered <= 149


def test_resamples_without_a_pair_are_passed_over() -> None:
    found = length_stratified_auc([2, 1, 1, 0, 0], [1, 1, 1, 0, 0], [10, 40, 80, 10, 200])
    assert found.pairs == 1
    assert (found.interval.mean, found.interval.low, found.interval.high) == (1.0, 1.0, 1.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    scores, labels, lengths = rows(50, seed=4)
    assert auc(scores, labels, seed=1) == auc(scores, labels, seed=1)
    assert length_stratified_auc(scores, labels, lengths, seed=1) != length_stratified_auc(
        scores, labels, lengths, seed=2
    )


@pytest.mark.parametrize(
    ("scores", "labels", "reason"),
    [
        ([math.nan, 1.0], [1, 0], "NaN"),
        ([1.0, 0.0], [1, 2], "neither 0 nor 1"),
        ([1.0, 0.0], [1, 1], "no pairs"),
        ([], [], "no pairs"),
        ([1.0], [1, 0], "1 scores of 2 rows"),
    ],
)
def test_what_has_no_figure_is_refused(scores: list[float], labels: list[int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        auc(scores, labels)
    with pytest.raises(ValueError, match=reason):
        length_stratified_auc(scores, labels, [5.0] * len(labels))


def test_lengths_that_are_none_or_never_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="no positive row is of about the same length"):
        length_stratified_auc([1, 0], [1, 0], [10, 100])
    with pytest.raises(ValueError, match="1 lengths of 2 rows"):
        length_stratified_auc([1, 0], [1, 0], [10])
    for bad in (math.nan, math.inf, -1.0):
        with pytest.raises(ValueError, match="finite and not negative"):
            length_stratified_auc([1, 0], [1, 0], [10, bad])
    with pytest.raises(ValueError, match="at least one resample"):
        auc([1, 0], [1, 0], resamples=0)


def test_a_figure_reads_well() -> None:
    found = auc([1, 0], [1, 0])
    assert isinstance(found, Auc)
    assert str(found) == "1.000 [1.000, 1.000]"


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(5, 40), st.integers(0, 3)), min_size=2, max_size=40
    )
)
@settings(max_examples=60)
def test_rows_drawn_several_times_are_in_several_pairs(drawn: list[tuple[int, int, int, int]]) -> None:
    """As if each row stood there as often as it is drawn."""
    scores, labels, lengths, times = (list(column) for column in zip(*drawn, strict=True))
    if len(set(labels)) < 2:
        return
    several = [place for place, count in enumerate(times) for _ in range(count)]
    near = [
        (one, two)
        for one in several
        for two in several
        if labels[one] == 1
        and labels[two] == 0
        and abs(lengths[one] - lengths[two]) <= max(2.0, 0.1 * (lengths[one] + lengths[two]) / 2)
    ]
    won = sum((scores[one] > scores[two]) + 0.5 * (scores[one] == scores[two]) for one, two in near)
    try:
        pairs = ranked_near_pairs(scores, labels, lengths)
    except ValueError:
        assert not near
        return
    found = pairs.shares(np.asarray([times], dtype=np.float64))[0]
    assert math.isnan(found) if not near else found == pytest.approx(won / len(near))


def test_ten_thousand_rows_need_no_list_of_their_pairs() -> None:
    scores, labels, lengths = rows(10_000, seed=5, shift=1.0)
    found = length_stratified_auc(scores, labels, lengths, resamples=20)
    assert found.pairs > 1_000_000
    assert found.interval.low < found.interval.mean < found.interval.high
