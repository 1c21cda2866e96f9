"""Whether probabilities are what they say: expected calibration error in bins of equal mass, and the Brier score."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from trainer.evaluation.auc import Floats
from trainer.evaluation.rewards.groups import Integers
from trainer.evaluation.rewards.resampling import Statistic, share_of

BINS = 10
SIMULATIONS = 1_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One bin: its rows, their mean probability, and the share of them that is good."""

    rows: int
    probability: float
    good: float


def bins_of(probabilities: Floats, bins: int = BINS) -> Integers:
    """``(rows,)``: the bin of each row. Bins are cut at quantiles; rows of one probability are in one bin.

    The bins of ``sklearn.calibration.calibration_curve(strategy="quantile")``; some may be empty where many rows have
    one probability.
    """
    edges = np.percentile(probabilities, np.linspace(0, 100, bins + 1))
    return np.searchsorted(edges[1:-1], probabilities).astype(np.int64)


def reliability(probabilities: Floats, labels: Integers, bins: int = BINS) -> list[Bin]:
    """The bins that hold rows, from low to high probability."""
    places = bins_of(probabilities, bins)
    return [
        Bin(
            rows=int((places == place).sum()),
            probability=float(probabilities[places == place].mean()),
            good=float(labels[places == place].mean()),
        )
        for place in np.unique(places)
    ]


def calibration_error(probabilities: Floats, labels: Integers, bins: int = BINS) -> Statistic:
    """How far, on average over rows, the mean probability of a bin is from its share of good ones.

    Resamples keep the bins of the whole.
    """
    member = _membership(probabilities, bins)
    gaps = member * (probabilities - labels)[:, None]

    def statistic(times: Floats) -> Floats:
        drawn: Floats = np.abs(times @ gaps).sum(axis=1) / times.sum(axis=1)
        return drawn

    return statistic


def error_by_chance(probabilities: Floats, *, seed: int, bins: int = BINS) -> float:
    """The calibration error that probabilities would show on so many rows if they were exactly right."""
    random = np.random.default_rng(seed)
    labels = random.random((SIMULATIONS, probabilities.size)) < probabilities
    gaps = (labels - probabilities) @ _membership(probabilities, bins)
    return float(np.abs(gaps).sum(axis=1).mean() / probabilities.size)


def brier(probabilities: Floats, labels: Integers) -> Statistic:
    """The mean squared distance of probability and label."""
    return share_of((probabilities - labels) ** 2)


def curve(bins: Sequence[Bin]) -> tuple[list[float], list[float]]:
    """For a plot: mean probabilities, and shares of good ones."""
    return [each.probability for each in bins], [each.good for each in bins]


def _membership(probabilities: Floats, bins: int) -> Floats:
    """``(rows, bins)``, 1 where a row is in a bin."""
    member: Floats = np.eye(bins)[bins_of(probabilities, bins)]
    return member
