"""One bootstrap for everything that is measured on the same rows, so that differences are paired.

A statistic takes how often each row is drawn and gives one figure for each resample; with every row drawn once it gives
the figure itself. Whole groups are drawn (rows of one request belong together), and all statistics see the same draws.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from trainer.evaluation.auc import Floats
from trainer.evaluation.intervals import Interval
from trainer.evaluation.rewards.groups import Integers

RESAMPLES = 4_000
NUMBERS_AT_ONCE = 2_000_000
"""Bounds the memory: 8 bytes each, and as much again for what a statistic makes of them."""

Statistic = Callable[[Floats], Floats]
"""``(resamples, rows)``, how often each row is drawn → ``(resamples,)``, NaN where there is no figure."""
Name = TypeVar("Name")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A figure, and what it came to in each resample.

    Attributes:
        value: Of the rows as they are.
        drawn: ``(resamples,)``, NaN where a resample has no such figure.
        biased: Resampling shifts the figure, as it does one that cannot be negative: its interval is mirrored.
    """

    value: float
    drawn: Floats
    biased: bool = False

    @property
    def interval(self) -> Interval:
        """With the 95 % interval: percentiles, or where the figure is biased the basic bootstrap, at least 0."""
        low, high = np.percentile(self.drawn[~np.isnan(self.drawn)], [2.5, 97.5])
        if self.biased:
            low, high = max(0.0, 2 * self.value - high), max(0.0, 2 * self.value - low)
        return Interval(self.value, float(low), float(high))

    def above(self, other: Estimate) -> Difference:
        """By how much this is higher, in the same resamples."""
        differences = self.drawn - other.drawn
        differences = differences[~np.isnan(differences)]
        low, high = np.percentile(differences, [2.5, 97.5])
        tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
        return Difference(
            Interval(self.value - other.value, float(low), float(high)),
            min(1.0, 2 * (tail + 1) / (differences.size + 1)),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference with its interval, and its two-sided p: the share of resamples on the other side, doubled."""

    interval: Interval
    p: float


def estimate(
    statistics: Mapping[Name, Statistic],
    groups: Integers,
    *,
    resamples: int = RESAMPLES,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[Name, Estimate | None]:
    """Each figure with its resamples; None where there is no such figure at all.

    Args:
        statistics: By name.
        groups: ``(rows,)``, the number of each row's group, from 0.
        resamples: How many.
        seed: Of the draws; the same seed gives the same intervals.
        advance: Told of each part of the resamples that is done.
    """
    if resamples < 1:
        raise ValueError("an interval needs at least one resample")
    once = np.ones((1, groups.size))
    values = {name: float(statistic(once)[0]) for name, statistic in statistics.items()}
    wanted = {name: statistic for name, statistic in statistics.items() if not np.isnan(values[name])}
    drawn: dict[Name, list[Floats]] = {name: [] for name in wanted}
    random = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    chances = np.full(count, 1 / count)
    at_once = max(1, NUMBERS_AT_ONCE // groups.size)
    for begin in range(0, resamples, at_once):
        size = min(at_once, resamples - begin)
        times = random.multinomial(count, chances, size=size).astype(np.float64)[:, groups]
        for name, statistic in wanted.items():
            drawn[name].append(statistic(times))
        advance(size)
    found = {name: np.concatenate(parts) for name, parts in drawn.items()}
    return {
        name: Estimate(values[name], found[name]) if name in found and not np.isnan(found[name]).all() else None
        for name in statistics
    }


def share_of(values: Floats) -> Statistic:
    """The mean of one value a row."""

    def statistic(times: Floats) -> Floats:
        drawn: Floats = (times @ values) / times.sum(axis=1)
        return drawn

    return statistic


def ratio_of(numerators: Floats, denominators: Floats) -> Statistic:
    """The sum of one value a row by that of another; NaN where that is 0."""

    def statistic(times: Floats) -> Floats:
        below = times @ denominators
        ratios: Floats = np.divide(times @ numerators, below, out=np.full(below.shape, np.nan), where=below > 0)
        return ratios

    return statistic
