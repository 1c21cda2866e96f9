"""Intervals, compared with SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trainer.evaluation.intervals import Interval, bootstrap_difference, bootstrap_mean, share


def sample(size: int, *, seed: int, skewed: bool = False) -> list[float]:
    random = np.random.default_rng(seed)
    values = random.exponential(2.0, size) if skewed else random.normal(1.0, 3.0, size)
    return [float(value) for value in values]


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("size", [8, 96])
def test_the_interval_is_that_of_scipy(size: int, skewed: bool) -> None:
    values = sample(size, seed=size, skewed=skewed)
    ours = bootstrap_mean(values)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", confidence_level=0.95, n_resamples=10_000, rng=np.random.default_rng(5)
    ).confidence_interval
    assert ours.mean == pytest.approx(np.mean(values))
    # Both are random: by 10,000 resamples a bound is known to a few hundredths of the interval.
    near = 0.05 * (theirs.high - theirs.low)
    assert ours.low == pytest.approx(theirs.low, abs=near)
    assert ours.high == pytest.approx(theirs.high, abs=near)


def test_the_interval_covers_the_true_mean_about_95_times_in_100() -> None:
    covered = sum(
        interval.low <= 1.0 <= interval.high
        for interval in (bootstrap_mean(sample(60, seed=seed)) for seed in range(200))
    )
    assert 180 <= covered <= 198


def test_a_difference_is_paired() -> None:
    before = sample(50, seed=1)
    after = [value + 0.1 for value in before]
    paired = bootstrap_difference(before, after)
    assert paired.mean == pytest.approx(0.1)
    assert paired.high - paired.low < 1e-9
    assert paired.excludes_zero
    assert bootstrap_difference(after, before).excludes_zero
    assert not bootstrap_difference(before, before).excludes_zero


def test_no_difference_is_found_in_noise() -> None:
    assert not bootstrap_difference(sample(80, seed=1), sample(80, seed=2)).excludes_zero


def test_the_same_values_give_the_same_interval() -> None:
    values = sample(30, seed=3)
    assert bootstrap_mean(values) == bootstrap_mean(values)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_of_nothing_there_is_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([])
    with pytest.raises(ValueError, match="zip"):
        bootstrap_difference([1.0, 2.0], [1.0])


def test_an_interval_reads_well() -> None:
    assert str(Interval(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
    assert not Interval(0.5, -0.1, 1.0).excludes_zero
    assert Interval(-0.5, -1.0, -0.1).excludes_zero


@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (0, 40), (3, 40), (20, 40), (40, 40), (199, 200)])
def test_the_interval_of_a_share_is_that_of_scipy(count: int, total: int) -> None:
    theirs = stats.binomtest(count, total).proportion_ci(method="wilson")
    ours = share(count, total)
    assert (ours.mean, ours.low, ours.high) == pytest.approx((count / total, theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("count", "total"), [(0, 0), (2, 1), (-1, 4)])
def test_what_is_no_share_is_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        share(count, total)
