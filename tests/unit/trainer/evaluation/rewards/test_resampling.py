"""One bootstrap for all figures: over groups, paired, and as wide as it should be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trainer.evaluation.auc import ranked_pairs
from trainer.evaluation.rewards import resampling
from trainer.evaluation.rewards.resampling import Estimate, estimate, ratio_of, share_of


def each_alone(rows: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(rows, dtype=np.int64)


def known(found: Estimate | None) -> Estimate:
    assert found is not None
    return found


def test_the_interval_of_a_mean_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).exponential(2, 60)
    ours = known(estimate({"mean": share_of(values)}, each_alone(60), seed=0)["mean"]).interval
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4_000, rng=np.random.default_rng(2)
    ).confidence_interval
    near = 0.06 * (theirs.high - theirs.low)
    assert ours.mean == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=near)
    assert ours.high == pytest.approx(theirs.high, abs=near)


def test_rows_of_one_request_are_drawn_together() -> None:
    """Ten rows that are all alike know no more than one: the interval must not be narrower for them."""
    values = np.random.default_rng(3).normal(size=40)
    once = known(estimate({"mean": share_of(values)}, each_alone(40), seed=0)["mean"]).interval
    tenfold = known(
        estimate({"mean": share_of(np.repeat(values, 10))}, np.repeat(each_alone(40), 10), seed=0)["mean"]
    ).interval
    alone = known(estimate({"mean": share_of(np.repeat(values, 10))}, each_alone(400), seed=0)["mean"]).interval
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    assert alone.high - alone.low < 0.5 * (once.high - once.low)


def test_the_same_draws_whatever_else_is_measured_and_in_whatever_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).normal(size=50)
    alone = known(estimate({"a": share_of(values)}, each_alone(50), seed=7)["a"]).drawn
    with_others = estimate({"b": share_of(-values), "a": share_of(values)}, each_alone(50), seed=7)
    assert np.array_equal(alone, known(with_others["a"]).drawn)
    assert np.array_equal(alone, -known(with_others["b"]).drawn)
    assert not np.array_equal(alone, known(estimate({"a": share_of(values)}, each_alone(50), seed=8)["a"]).drawn)
    monkeypatch.setattr(resampling, "NUMBERS_AT_ONCE", 1_000)
    told: list[int] = []
    in_parts = estimate({"a": share_of(values)}, each_alone(50), seed=7, advance=told.append)
    assert np.allclose(alone, known(in_parts["a"]).drawn)
    assert sum(told) == resampling.RESAMPLES
    assert len(told) > 1


def test_a_figure_that_is_not_there_is_none_and_resamples_without_it_are_passed_over() -> None:
    rare = np.asarray([1.0] + [0.0] * 9)
    found = estimate({"none": ratio_of(rare, np.zeros(10)), "rare": ratio_of(rare, rare)}, each_alone(10), seed=0)
    assert found["none"] is None
    assert np.isnan(known(found["rare"]).drawn).any()
    assert (known(found["rare"]).interval.low, known(found["rare"]).interval.high) == (1.0, 1.0)


def test_the_interval_of_an_auc_covers_the_truth_about_95_times_in_100() -> None:
    truth = stats.norm.cdf(1 / np.sqrt(2))
    covered = 0
    labels = np.asarray([1, 0] * 40)
    for seed in range(100):
        pairs = ranked_pairs(np.random.default_rng(seed).normal(size=80) + labels, labels)
        interval = known(estimate({"auc": pairs.shares}, each_alone(80), resamples=200, seed=seed)["auc"]).interval
        covered += interval.low <= truth <= interval.high
    assert 88 <= covered <= 99


def test_differences_are_paired() -> None:
    values = np.random.default_rng(5).normal(size=60)
    found = estimate({"low": share_of(values), "high": share_of(values + 0.1)}, each_alone(60), seed=0)
    difference = known(found["high"]).above(known(found["low"]))
    assert difference.interval.mean == pytest.approx(0.1)
    assert difference.interval.high - difference.interval.low < 1e-9
    assert difference.p == pytest.approx(2 / 4_001)
    assert known(found["low"]).above(known(found["low"])).p == 1.0


def test_the_p_of_a_paired_difference_is_near_that_of_a_t_test() -> None:
    random = np.random.default_rng(6)
    first, second = random.normal(size=100), random.normal(-0.2, 1, 100)
    found = estimate({"first": share_of(first), "second": share_of(second)}, each_alone(100), seed=0)
    theirs = stats.ttest_rel(first, second).pvalue
    assert known(found["first"]).above(known(found["second"])).p == pytest.approx(theirs, abs=0.03)


def test_a_biased_figure_has_its_interval_mirrored_and_never_below_zero() -> None:
    drawn = np.linspace(0.1, 0.5, 101)
    plain, biased = Estimate(0.2, drawn), Estimate(0.2, drawn, biased=True)
    assert (plain.interval.low, plain.interval.high) == pytest.approx((0.11, 0.49))
    assert (biased.interval.low, biased.interval.high) == pytest.approx((0.0, 0.29))


def test_of_no_resamples_there_is_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one resample"):
        estimate({"a": share_of(np.ones(3))}, each_alone(3), resamples=0, seed=0)
