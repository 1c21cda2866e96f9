"""Whether paired differences are more than chance, and what is left of that when many are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

RESAMPLES = 10_000
DRAWS_AT_ONCE = 2_000_000
"""Bounds the memory."""

Name = TypeVar("Name")


def sign_flip_test(differences: Sequence[float], *, seed: int = 0) -> float:
    """Two-sided p of a mean of paired differences, by flipping their signs at random.

    If neither side of the pairs is better, each difference is as likely as its negative: the p is the share of flips
    whose mean is at least as far from zero as the one observed. It assumes no distribution, and cannot be below
    1 / (`RESAMPLES` + 1).

    Args:
        differences: ``(pairs,)``.
        seed: Of the flips; the same seed gives the same p.

    Raises:
        ValueError: There are none, or one is not finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.size == 0:
        raise ValueError("no differences: nothing can be tested")
    if not np.isfinite(values).all():
        raise ValueError("a difference is not finite: leave pairs without one out, and say how many")
    generator = np.random.default_rng(seed)
    observed = abs(values.sum())
    nearly = observed - 1e-9 * np.abs(values).sum()  # the same sum, added up in another order, counts as reached
    rows = max(1, DRAWS_AT_ONCE // values.size)
    reached = 0
    for begin in range(0, RESAMPLES, rows):
        signs = generator.integers(0, 2, size=(min(rows, RESAMPLES - begin), values.size)) * 2 - 1
        reached += int((np.abs(signs @ values) >= nearly).sum())
    return (reached + 1) / (RESAMPLES + 1)


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Each p, raised so that the chance of any false finding among all of them stays below the level.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    adjusted: dict[Name, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def sign_test(differences: Sequence[float]) -> float:
    """Two-sided exact p of paired differences by their signs alone; those that are 0 say nothing.

    Of answers that are right (1) or wrong (0) it is McNemar's exact test.
    """
    from scipy.stats import binomtest  # slow to import

    values = np.asarray(differences, dtype=np.float64)
    more, less = int((values > 0).sum()), int((values < 0).sum())
    return float(binomtest(more, more + less).pvalue) if more + less else 1.0
