"""Platt scaling of a reward model's logits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from trainer.calibration import fit_calibration

Values = NDArray[np.float64]


def logits(seed: int, *, good: int = 80, bad: int = 60, distance: float = 1.0, scale: float = 1.0) -> list[list[float]]:
    random = np.random.default_rng(seed)
    return [
        [float(value) for value in scale * random.normal(mean, 1.0, size)]
        for mean, size in ((distance, good), (0, bad))
    ]


def smoothed(good: list[float], bad: list[float]) -> tuple[Values, Values]:
    """All values, and Platt's targets for them."""
    high, low = (len(good) + 1) / (len(good) + 2), 1 / (len(bad) + 2)
    return np.array([*good, *bad]), np.array([high] * len(good) + [low] * len(bad))


def loss(scale: float, bias: float, values: Values, targets: Values) -> float:
    scores = scale * values + bias
    return float(np.sum(np.logaddexp(0, scores) - targets * scores))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("distance", [0.5, 2.0, 6.0])
def test_it_is_logistic_regression_without_penalty_on_smoothed_targets(seed: int, distance: float) -> None:
    good, bad = logits(seed, distance=distance)
    values, targets = smoothed(good, bad)
    # A smoothed target t is the label 1 with weight t and the label 0 with weight 1 - t.
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # versions of scikit-learn differ in how "no penalty" is to be written
        model.fit(
            np.concatenate([values, values])[:, None],
            np.repeat([1, 0], len(values)),
            sample_weight=np.concatenate([targets, 1 - targets]),
        )
    ours = fit_calibration(good, bad)
    assert ours is not None
    assert ours.scale == pytest.approx(model.coef_[0, 0], rel=1e-4)
    assert ours.bias == pytest.approx(model.intercept_[0], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 90), (150, 150)])
@pytest.mark.parametrize("distance", [2.0, 50.0])
def test_no_other_line_fits_better(scale: float, sizes: tuple[int, int], distance: float) -> None:
    good, bad = logits(11, good=sizes[0], bad=sizes[1], distance=distance, scale=scale)
    values, targets = smoothed(good, bad)
    mean, spread = values.mean(), values.std()
    best = minimize(lambda line: loss(line[0], line[1], (values - mean) / spread, targets), [0.0, 0.0], method="BFGS")
    ours = fit_calibration(good, bad)
    assert ours is not None
    assert loss(ours.scale, ours.bias, values, targets) <= best.fun + 1e-6


def test_outliers_do_not_lead_it_astray() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        good = [float(value) for value in 1.0 + random.standard_cauchy(168)]
        bad = [float(value) for value in random.standard_cauchy(8)]
        ours = fit_calibration(good, bad)
        if ours is not None:
            values, targets = smoothed(good, bad)
            assert loss(ours.scale, ours.bias, values, targets) <= loss(0.0, np.log(168 / 8), values, targets)


def test_logits_that_separate_perfectly_have_a_finite_scale() -> None:
    ours = fit_calibration([5.0, 6.0, 7.0], [-5.0, -6.0, -7.0])
    assert ours is not None
    assert 0 < ours.scale < 10


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ([0.0, 1.0, 2.0], [3.0, 4.0, 5.0]),
        ([1.0, 2.0], [2.0, 1.0]),
        ([1.0, 1.0, 1.0], [1.0, 1.0]),
        ([0.1] * 10, [0.1] * 3),
        ([0.0], [0.0]),
    ],
)
def test_there_is_none_where_logits_do_not_tell_good_from_bad(good: list[float], bad: list[float]) -> None:
    assert fit_calibration(good, bad) is None


def test_calibrated_chances_are_right_on_average() -> None:
    good, bad = logits(3, good=4000, bad=4000, distance=1.5)
    ours = fit_calibration(good, bad)
    assert ours is not None
    values = np.array([*good, *bad])
    chances = 1 / (1 + np.exp(-(ours.scale * values + ours.bias)))
    labels = np.repeat([1.0, 0.0], 4000)
    for low in np.arange(0.1, 0.9, 0.2):
        inside = (chances >= low) & (chances < low + 0.2)
        assert labels[inside].mean() == pytest.approx(chances[inside].mean(), abs=0.05)
