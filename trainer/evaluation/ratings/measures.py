"""Agreement beyond chance: Cohen's and Fleiss' kappa, Krippendorff's alpha, each with a bootstrap interval over items.

All are functions of tables that add up over items: which categories two raters gave (Cohen), and which categories meet
within an item, whoever gave them (Fleiss, Krippendorff). So a resample of the items is a weighted sum of their tables,
and all resamples are one matrix product.

1 is perfect agreement, 0 what chance gives; below 0 raters contradict each other. Where everybody gives one and the
same category there is nothing beyond chance to agree on, and no figure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from trainer.evaluation.intervals import Interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Metric = Literal["nominal", "ordinal", "interval"]
Statistic = Callable[[Floats], Floats]

MISSING = -1
RESAMPLES = 2_000
AT_ONCE = 128
"""Resamples: so many tables stay in a processor's cache."""


def pair_tables(first: Ints, second: Ints, categories: int) -> Floats:
    """For each item the table of what two raters gave it.

    Args:
        first: ``(items,)``, categories from 0, or `MISSING`.
        second: ``(items,)``, of the other rater.
        categories: How many there are.

    Returns:
        ``(items, categories, categories)``; an item that one of the two did not rate is all zeros.
    """
    tables = np.zeros((first.size, categories, categories))
    both = np.flatnonzero((first != MISSING) & (second != MISSING))
    tables[both, first[both], second[both]] = 1.0
    return tables


def coincidences(ratings: Ints, categories: int) -> Floats:
    """For each item how often a category meets another one, over all pairs of its raters.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.

    Args:
        ratings: ``(items, raters)``, categories from 0, or `MISSING`.
        categories: How many there are.

    Returns:
        ``(items, categories, categories)``, each adding up to the item's number of ratings; an item with fewer than two
        is all zeros.
    """
    counts = np.stack([(ratings == category).sum(axis=1) for category in range(categories)], axis=1).astype(np.float64)
    raters = counts.sum(axis=1)
    meetings = counts[:, :, None] * counts[:, None, :] - np.eye(categories) * counts[:, :, None]
    meetings[raters < 2] = 0.0
    result: Floats = meetings / np.maximum(raters - 1, 1)[:, None, None]
    return result


def cohen_kappa(table: Floats, *, quadratic: bool = False) -> Floats:
    """Cohen's kappa, with ``quadratic`` the one that counts a disagreement by the square of its size.

    Source: Cohen 1960 and 1968.

    Args:
        table: ``(…, categories, categories)`` of counts.
        quadratic: Weigh by squared distance; else any disagreement counts alike.

    Returns:
        ``(…)``; NaN where there are no ratings, or expected disagreement is none.
    """
    categories = np.arange(table.shape[-1])
    apart = (categories[:, None] - categories[None, :]).astype(np.float64)
    weights = apart**2 if quadratic else (apart != 0).astype(np.float64)
    total = table.sum(axis=(-2, -1))
    chance = table.sum(axis=-1)[..., :, None] * table.sum(axis=-2)[..., None, :]
    observed = (weights * table).sum(axis=(-2, -1)) * total
    expected = (weights * chance).sum(axis=(-2, -1))
    return _one_minus(observed, expected)


def fleiss_kappa(coincidence: Floats) -> Floats:
    """Fleiss' kappa of a coincidence table; where items have different numbers of ratings, each rating counts alike.

    Source: Fleiss 1971.

    Args:
        coincidence: ``(…, categories, categories)``.

    Returns:
        ``(…)``; NaN as `cohen_kappa`.
    """
    given = coincidence.sum(axis=-1)
    total = given.sum(axis=-1)
    agreed = np.trace(coincidence, axis1=-2, axis2=-1)
    by_chance = (given**2).sum(axis=-1)
    return _one_minus((total - agreed) * total, total**2 - by_chance)


def krippendorff_alpha(coincidence: Floats, metric: Metric) -> Floats:
    """Krippendorff's alpha of a coincidence table; ratings may be missing.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.

    Args:
        coincidence: ``(…, categories, categories)``; categories are in order, and one apart.
        metric: What a disagreement counts: nominal alike; ordinal by how many ratings lie between; interval by its
            square.

    Returns:
        ``(…)``; NaN as `cohen_kappa`.
    """
    given = coincidence.sum(axis=-1)
    total = given.sum(axis=-1)
    apart = _distances(given, metric)
    observed = (apart * coincidence).sum(axis=(-2, -1)) * (total - 1)
    expected = (apart * given[..., :, None] * given[..., None, :]).sum(axis=(-2, -1))
    return _one_minus(observed, expected)


def over_items(tables: Floats, statistic: Statistic, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval | None:
    """A statistic of all items, with its 95 % percentile interval from drawing items again.

    Args:
        tables: ``(items, categories, categories)``, as `pair_tables` or `coincidences` give them.
        statistic: Of a stack of tables.
        seed: Of the draws; the same seed gives the same interval.
        resamples: How often items are drawn; draws of which there is no figure are passed over.

    Returns:
        None where the items give no figure.
    """
    used = tables[tables.any(axis=(1, 2))]
    if not used.size:
        return None
    mean = float(statistic(used.sum(axis=0)))
    if np.isnan(mean):
        return None
    items = used.shape[0]
    draws = np.random.default_rng(seed).multinomial(items, np.full(items, 1 / items), size=resamples)
    flat, parts = used.reshape(items, -1), []
    for begin in range(0, resamples, AT_ONCE):
        some = draws[begin : begin + AT_ONCE].astype(np.float64)
        parts.append(statistic((some @ flat).reshape(len(some), *used.shape[1:])))
    drawn = np.concatenate(parts)
    low, high = np.percentile(drawn[~np.isnan(drawn)], [2.5, 97.5])
    return Interval(mean, float(low), float(high))


def _distances(given: Floats, metric: Metric) -> Floats:
    """Squared differences of categories: ``(categories, categories)``, for ordinal ones ``(…, the same)``."""
    places = np.arange(given.shape[-1], dtype=np.float64)
    if metric == "nominal":
        return 1.0 - np.eye(places.size)
    if metric == "ordinal":
        # Ratings from category c up to k, with half of those in c and in k: from one's middle to the other's, in ranks.
        places = np.cumsum(given, axis=-1) - given / 2
    squares: Floats = (places[..., :, None] - places[..., None, :]) ** 2
    return squares


def _one_minus(observed: Floats, expected: Floats) -> Floats:
    """1 minus the share of the disagreement that chance would give; NaN where that is none."""
    some = expected > 0
    result: Floats = np.where(some, 1 - observed / np.where(some, expected, 1.0), np.nan)
    return result
