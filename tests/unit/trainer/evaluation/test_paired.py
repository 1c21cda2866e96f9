"""Paired tests, compared with SciPy's, and Holm's correction by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trainer.evaluation.paired import RESAMPLES, holm, sign_flip_test, sign_test


@pytest.mark.parametrize(("size", "shift"), [(12, 0.0), (12, 0.6), (80, 0.25)])
def test_the_p_is_that_of_scipys_permutation_test(size: int, shift: float) -> None:
    values = np.random.default_rng(size).normal(shift, 1.0, size)
    theirs = stats.permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        n_resamples=10_000,
        vectorized=True,
        rng=np.random.default_rng(5),
    ).pvalue
    assert sign_flip_test([float(value) for value in values]) == pytest.approx(theirs, abs=0.02)


def test_differences_that_are_all_alike_are_as_sure_as_their_number_allows() -> None:
    assert sign_flip_test([0.1] * 3) == pytest.approx(2 / 8, abs=0.02), "two of eight flips are as far from zero"
    assert sign_flip_test([0.1] * 40) == 1 / (RESAMPLES + 1)
    assert sign_flip_test([0.0] * 40) == 1.0


def test_chance_alone_is_called_significant_about_as_often_as_the_level_says() -> None:
    random = np.random.default_rng(3)
    found = sum(sign_flip_test([float(v) for v in random.normal(0, 1, 15)]) < 0.05 for _ in range(200))
    assert 2 <= found <= 20


def test_the_same_seed_gives_the_same_p() -> None:
    values = [0.3, -0.2, 0.5, 0.1, 0.4, -0.1, 0.2]
    assert sign_flip_test(values, seed=1) == sign_flip_test(values, seed=1)


@pytest.mark.parametrize("values", [[], [0.1, float("nan")], [float("inf")]])
def test_what_is_no_difference_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"differences?"):
        sign_flip_test(values)


def test_holm_raises_each_p_by_how_many_are_not_smaller() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.5, "b": 0.6}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_the_sign_test_is_the_exact_binomial_one() -> None:
    right, other = [1, 1, 1, 1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1, 1, 0]
    p = sign_test([one - two for one, two in zip(right, other, strict=True)])
    assert p == pytest.approx(stats.binomtest(6, 7).pvalue)
    assert p == pytest.approx(16 / 128)
    assert sign_test([0.5, -0.5, 0.25, -1.0]) == 1
    assert sign_test([0.0, 0.0]) == 1
    assert sign_test([]) == 1
