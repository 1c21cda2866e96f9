"""Every figure as scikit-learn and SciPy have it, on rows as they are and on rows that are drawn several times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import calibration as sk_calibration
from sklearn import metrics

from trainer.evaluation.auc import Floats
from trainer.evaluation.rewards import classification
from trainer.evaluation.rewards.calibration import bins_of, brier, calibration_error, error_by_chance, reliability
from trainer.evaluation.rewards.correlation import partial_correlation, ranks
from trainer.evaluation.rewards.groups import Integers
from trainer.evaluation.rewards.resampling import Statistic

ROWS = 80


def value(statistic: Statistic, times: Floats | None = None) -> float:
    """The figure, of rows drawn so many times."""
    return float(statistic(np.ones((1, ROWS)) if times is None else times[None, :])[0])


@pytest.fixture
def labels() -> Integers:
    return np.random.default_rng(1).integers(0, 2, ROWS)


@pytest.fixture
def probabilities(labels: Integers) -> Floats:
    """With ties."""
    return np.clip(np.round(np.random.default_rng(2).random(ROWS) * 0.6 + 0.3 * labels, 2), 0, 1)


@pytest.fixture
def times() -> Floats:
    """How often each row is drawn in a resample."""
    return np.random.default_rng(3).multinomial(ROWS, np.full(ROWS, 1 / ROWS)).astype(np.float64)


def test_decisions_are_measured_as_scikit_learn_does(labels: Integers, probabilities: Floats, times: Floats) -> None:
    decisions = (probabilities >= 0.5).astype(np.int64)
    drawn = np.repeat(np.arange(ROWS), times.astype(int))
    for ours, theirs in (
        (classification.accuracy, metrics.accuracy_score),
        (classification.precision, metrics.precision_score),
        (classification.recall, metrics.recall_score),
        (classification.f1, metrics.f1_score),
    ):
        statistic = ours(decisions, labels)
        assert value(statistic) == pytest.approx(theirs(labels, decisions))
        assert value(statistic, times) == pytest.approx(theirs(labels[drawn], decisions[drawn]))


def test_where_nothing_is_called_good_there_is_no_precision(labels: Integers) -> None:
    nothing = np.zeros(ROWS, dtype=np.int64)
    assert np.isnan(value(classification.precision(nothing, labels)))
    assert value(classification.recall(nothing, labels)) == 0
    assert value(classification.f1(nothing, labels)) == 0


def test_the_brier_score_is_that_of_scikit_learn(labels: Integers, probabilities: Floats, times: Floats) -> None:
    drawn = np.repeat(np.arange(ROWS), times.astype(int))
    statistic = brier(probabilities, labels)
    assert value(statistic) == pytest.approx(metrics.brier_score_loss(labels, probabilities))
    assert value(statistic, times) == pytest.approx(metrics.brier_score_loss(labels[drawn], probabilities[drawn]))


@pytest.mark.parametrize("bins", [3, 10])
def test_the_bins_are_those_of_scikit_learn(labels: Integers, probabilities: Floats, bins: int) -> None:
    good, mean = sk_calibration.calibration_curve(labels, probabilities, n_bins=bins, strategy="quantile")
    found = reliability(probabilities, labels, bins)
    assert [each.good for each in found] == pytest.approx(good)
    assert [each.probability for each in found] == pytest.approx(mean)
    assert sum(each.rows for each in found) == ROWS
    by_hand = sum(each.rows * abs(each.good - each.probability) for each in found) / ROWS
    assert value(calibration_error(probabilities, labels, bins)) == pytest.approx(by_hand)


def test_rows_of_one_probability_are_in_one_bin() -> None:
    values = np.asarray([0.0] * 30 + [1.0] * 50)
    assert len({int(place) for place in bins_of(values)[:30]}) == 1
    labels = np.asarray([0] * 30 + [1] * 50)
    assert value(calibration_error(values, labels)) == 0


def test_what_is_exactly_right_shows_the_error_that_chance_makes() -> None:
    random = np.random.default_rng(4)
    probabilities = random.random(ROWS)
    shown = [
        value(calibration_error(probabilities, (random.random(ROWS) < probabilities).astype(np.int64)))
        for _ in range(400)
    ]
    assert error_by_chance(probabilities, seed=0) == pytest.approx(np.mean(shown), abs=0.01)


@pytest.mark.parametrize("ranked", [False, True])
def test_a_partial_correlation_is_that_of_the_residuals(ranked: bool, times: Floats) -> None:
    random = np.random.default_rng(5)
    length = random.normal(30, 8, ROWS)
    first, second = length * 0.1 + random.normal(size=ROWS), np.round(length * 0.05 + random.normal(size=ROWS))
    columns = [ranks(each) if ranked else each for each in (first, second, length)]

    def by_residuals(drawn: Integers) -> float:
        x, y, given_ = (each[drawn] for each in columns)
        left = [each - np.polyval(np.polyfit(given_, each, 1), given_) for each in (x, y)]
        return float(stats.pearsonr(*left).statistic)

    statistic = partial_correlation(*columns)
    assert value(statistic) == pytest.approx(by_residuals(np.arange(ROWS)))
    assert value(statistic, times) == pytest.approx(by_residuals(np.repeat(np.arange(ROWS), times.astype(int))))


def test_ranks_average_ties_so_that_their_correlation_is_spearmans() -> None:
    random = np.random.default_rng(6)
    first = np.round(random.normal(size=ROWS), 1)
    second = np.round(first + random.normal(size=ROWS), 1)
    nothing = random.permutation(ROWS).astype(np.float64)
    ours = np.corrcoef(ranks(first), ranks(second))[0, 1]
    assert ours == pytest.approx(stats.spearmanr(first, second).statistic)
    assert abs(value(partial_correlation(ranks(first), ranks(second), nothing)) - ours) < 0.05


def test_what_does_not_vary_or_is_told_by_length_has_no_partial_correlation(labels: Integers) -> None:
    length = np.random.default_rng(7).normal(30, 8, ROWS)
    for score in (np.full(ROWS, 3.0), 2 * length + 1):
        assert np.isnan(value(partial_correlation(score, labels.astype(np.float64), length)))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 10]), st.floats(0.01, 100), st.floats(-100, 100))
def test_a_partial_correlation_is_between_minus_one_and_one_whatever_the_scale(
    seed: int, values: int, factor: float, shift: float
) -> None:
    columns = np.random.default_rng(seed).integers(0, values, (3, ROWS)).astype(np.float64)
    found = value(partial_correlation(*columns))
    if values == 1:
        assert np.isnan(found)
        return
    assert -1 <= found <= 1
    first, second, length = columns
    assert value(partial_correlation(factor * first + shift, second, length)) == pytest.approx(found)
    assert value(partial_correlation(-first, second, length)) == pytest.approx(-found)
