"""How far raters agree with each other: by dimension, on the weighted score, and on what is acceptable."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from trainer.evaluation.intervals import Interval
from trainer.evaluation.ratings.filled import FilledSheet
from trainer.evaluation.ratings.measures import (
    MISSING,
    Floats,
    Ints,
    cohen_kappa,
    coincidences,
    fleiss_kappa,
    krippendorff_alpha,
    over_items,
    pair_tables,
)
from trainer.evaluation.ratings.rubric import ACCEPTABLE, DIMENSIONS, HIGHEST, LOWEST, hundredfold

ACCEPTABLE_NAME, SCORE_NAME = "acceptable", "weighted score"
_SCORE_STEP = 5
"""Weighted scores are multiples of this, in hundredths."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """All raters on one thing that they rated; None where there is no figure. Intervals are over items.

    Attributes:
        name: Of a dimension, of the weighted score, or of what is acceptable.
        items: With two ratings at least.
        exact: How often two ratings of one text are the same.
        fleiss: Fleiss' kappa.
        nominal: Krippendorff's alpha, any disagreement alike.
        ordinal: Likewise, by order.
        interval: Likewise, by squared distance.
    """

    name: str
    items: int
    exact: Interval | None
    fleiss: Interval | None
    nominal: Interval | None
    ordinal: Interval | None
    interval: Interval | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """Two raters on one thing: Cohen's kappa, plain and weighted by squared distance, over ``items`` both rated."""

    one: str
    other: str
    name: str
    items: int
    kappa: Interval | None
    quadratic: Interval | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What all raters gave, as categories from 0.

    Attributes:
        name: Of what was rated.
        raters: Their names.
        ratings: ``(items, raters)``, `MISSING` where there is none.
        categories: How many there are.
    """

    name: str
    raters: Sequence[str]
    ratings: Ints
    categories: int


def rated(sheets: Sequence[FilledSheet]) -> list[Rated]:
    """Each dimension, the weighted score, and whether it is acceptable: 1 or 0."""
    items = sorted({item for sheet in sheets for item in sheet.points})
    raters = [sheet.rater for sheet in sheets]

    def table(name: str, categories: int, of: Callable[[FilledSheet, str], int | None]) -> Rated:
        cells = [[_or_missing(of(sheet, item)) for sheet in sheets] for item in items]
        ratings = np.asarray(cells, dtype=np.int64).reshape(len(items), len(sheets))
        return Rated(name=name, raters=raters, ratings=ratings, categories=categories)

    def score(sheet: FilledSheet, item: str) -> int | None:
        points = sheet.complete.get(item)
        return None if points is None else (hundredfold(points) - 100 * LOWEST) // _SCORE_STEP

    def verdict(sheet: FilledSheet, item: str) -> int | None:
        points = sheet.complete.get(item)
        return None if points is None else int(hundredfold(points) >= 100 * ACCEPTABLE)

    def points_in(dimension: str) -> Callable[[FilledSheet, str], int | None]:
        def points(sheet: FilledSheet, item: str) -> int | None:
            given = sheet.points.get(item, {}).get(dimension)
            return None if given is None else given - LOWEST

        return points

    levels = HIGHEST - LOWEST + 1
    return [
        *(table(dimension.name, levels, points_in(dimension.name)) for dimension in DIMENSIONS),
        table(SCORE_NAME, 100 * (HIGHEST - LOWEST) // _SCORE_STEP + 1, score),
        table(ACCEPTABLE_NAME, 2, verdict),
    ]


def agreement(what: Rated, *, seed: int = 0) -> Agreement:
    """How far all raters agree on one thing. Of scores that are near each other none but ordinal and interval tell."""
    met = coincidences(what.ratings, what.categories)
    counted = what.name != SCORE_NAME
    return Agreement(
        name=what.name,
        items=int(met.any(axis=(1, 2)).sum()),
        exact=over_items(met, _exact, seed=seed) if counted else None,
        fleiss=over_items(met, fleiss_kappa, seed=seed) if counted else None,
        nominal=over_items(met, lambda table: krippendorff_alpha(table, "nominal"), seed=seed) if counted else None,
        ordinal=over_items(met, lambda table: krippendorff_alpha(table, "ordinal"), seed=seed),
        interval=over_items(met, lambda table: krippendorff_alpha(table, "interval"), seed=seed),
    )


def pair_agreements(what: Rated, *, seed: int = 0) -> list[PairAgreement]:
    """How far any two raters agree on one thing; those who rated nothing in common are left out.

    Of scores there is no kappa: hardly any two are the same.
    """
    found: list[PairAgreement] = []
    if what.name == SCORE_NAME:
        return found
    for one, other in itertools.combinations(range(len(what.raters)), 2):
        tables = pair_tables(what.ratings[:, one], what.ratings[:, other], what.categories)
        if tables.any():
            found.append(
                PairAgreement(
                    one=what.raters[one],
                    other=what.raters[other],
                    name=what.name,
                    items=int(tables.any(axis=(1, 2)).sum()),
                    kappa=over_items(tables, cohen_kappa, seed=seed),
                    quadratic=over_items(tables, lambda table: cohen_kappa(table, quadratic=True), seed=seed),
                )
            )
    return found


def copied_sheets(sheets: Sequence[FilledSheet]) -> list[tuple[str, str]]:
    """Pairs of raters who gave the very same points for everything: perhaps one sheet, handed in twice."""
    return [
        (one.rater, other.rater)
        for one, other in itertools.combinations(sheets, 2)
        if one.points and one.points == other.points
    ]


def _exact(coincidence: Floats) -> Floats:
    total = coincidence.sum(axis=(-2, -1))
    share: Floats = np.trace(coincidence, axis1=-2, axis2=-1) / np.where(total > 0, total, np.nan)
    return share


def _or_missing(value: int | None) -> int:
    return MISSING if value is None else value
