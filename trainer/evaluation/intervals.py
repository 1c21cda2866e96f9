"""Confidence intervals: by bootstrap over prompts, and of shares by Wilson's formula."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

RESAMPLES = 10_000
DRAWS_AT_ONCE = 2_000_000
"""Bounds the memory: 16 bytes each."""
NORMAL_975 = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_mean(values: Sequence[float], *, seed: int = 0) -> Interval:
    """Mean of one value a prompt, with the percentile bootstrap interval over prompts."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError("no values: there is no mean of nothing")
    generator = np.random.default_rng(seed)
    rows = max(1, DRAWS_AT_ONCE // array.size)  # the same numbers as all at once, which would be gigabytes
    sizes = [min(rows, RESAMPLES - begin) for begin in range(0, RESAMPLES, rows)]
    means = np.concatenate(
        [array[generator.integers(0, array.size, size=(size, array.size))].mean(axis=1) for size in sizes]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(array.mean()), float(low), float(high))


def bootstrap_difference(before: Sequence[float], after: Sequence[float], *, seed: int = 0) -> Interval:
    """Mean of after minus before, paired by prompt."""
    return bootstrap_mean([late - early for early, late in zip(before, after, strict=True)], seed=seed)


def share(count: int, total: int) -> Interval:
    """A share of independent cases, with Wilson's interval: it has a width where none or all are counted, too.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if not 0 <= count <= total or total == 0:
        raise ValueError(f"{count} of {total} is no share")
    mean, square = count / total, NORMAL_975**2
    middle = (mean + square / (2 * total)) / (1 + square / total)
    half = NORMAL_975 * math.sqrt(mean * (1 - mean) / total + square / (4 * total**2)) / (1 + square / total)
    # At the ends one bound is the share itself, but for rounding.
    return Interval(mean, max(0.0, middle - half) if count else 0.0, min(1.0, middle + half) if count < total else 1.0)
