"""Agreement statistics: against scikit-learn, against published worked examples, and on cases with known answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from trainer.evaluation.ratings.measures import (
    MISSING,
    Floats,
    Ints,
    Metric,
    cohen_kappa,
    coincidences,
    fleiss_kappa,
    krippendorff_alpha,
    over_items,
    pair_tables,
)

# Fleiss 1971, the table of 10 subjects, 14 raters and 5 categories that its readers know from encyclopedias.
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, part C: four observers, twelve units, 0 is missing.
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]


def one_table(tables: Floats) -> Floats:
    total: Floats = tables.sum(axis=0)
    return total


def from_counts(counts: list[list[int]]) -> Ints:
    """Ratings of which an item has so many of each category; who gave which does not matter."""
    return np.array([[category for category, count in enumerate(row) for _ in range(count)] for row in counts])


def random_ratings(items: int, raters: int, *, seed: int, missing: float = 0.0) -> Ints:
    """Raters who agree somewhat."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, items)
    noise = random.integers(-1, 2, (items, raters)) * (random.random((items, raters)) < 0.4)
    ratings: Ints = np.clip(truth[:, None] + noise, 0, 2)
    ratings[random.random((items, raters)) < missing] = MISSING
    return ratings


@pytest.mark.parametrize("quadratic", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_cohens_kappa_is_that_of_scikit_learn(seed: int, quadratic: bool) -> None:
    first, second = random_ratings(60, 2, seed=seed).T
    theirs = cohen_kappa_score(first, second, labels=[0, 1, 2], weights="quadratic" if quadratic else None)
    assert float(cohen_kappa(one_table(pair_tables(first, second, 3)), quadratic=quadratic)) == pytest.approx(theirs)


def test_items_that_one_rater_left_out_do_not_count() -> None:
    first, second = random_ratings(60, 2, seed=7, missing=0.2).T
    both = (first != MISSING) & (second != MISSING)
    assert 20 < both.sum() < 60
    theirs = cohen_kappa_score(first[both], second[both])
    assert float(cohen_kappa(one_table(pair_tables(first, second, 3)))) == pytest.approx(theirs)


def test_fleiss_kappa_of_his_own_example() -> None:
    assert float(fleiss_kappa(one_table(coincidences(from_counts(FLEISS), 5)))) == pytest.approx(0.210, abs=0.0005)


@pytest.mark.parametrize(("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_alpha_of_his_own_example(metric: Metric, published: float) -> None:
    ratings = np.array(KRIPPENDORFF).T - 1
    alpha = krippendorff_alpha(one_table(coincidences(ratings, 5)), metric)
    assert float(alpha) == pytest.approx(published, abs=0.0005)


def slow_alpha(ratings: Ints) -> float:
    """Interval alpha from its definition: mean squared differences within items, and between all ratings."""
    items = [[int(value) for value in row if value != MISSING] for row in ratings]
    items = [row for row in items if len(row) >= 2]
    all_of_them = [value for row in items for value in row]
    count = len(all_of_them)
    within = sum((one - other) ** 2 / (len(row) - 1) for row in items for one, other in itertools.permutations(row, 2))
    between = sum((one - other) ** 2 for one, other in itertools.permutations(all_of_them, 2))
    return 1 - (within / count) / (between / (count * (count - 1)))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_alpha_is_what_its_definition_gives(missing: float) -> None:
    ratings = random_ratings(40, 4, seed=11, missing=missing)
    fast = krippendorff_alpha(one_table(coincidences(ratings, 3)), "interval")
    assert float(fast) == pytest.approx(slow_alpha(ratings))


def test_full_agreement_is_one_by_every_measure() -> None:
    ratings = np.repeat(np.array([0, 1, 2, 2, 1, 0]), 3).reshape(6, 3)
    met = one_table(coincidences(ratings, 3))
    assert float(cohen_kappa(one_table(pair_tables(ratings[:, 0], ratings[:, 1], 3)))) == 1.0
    assert float(fleiss_kappa(met)) == 1.0
    assert [float(krippendorff_alpha(met, metric)) for metric in ("nominal", "ordinal", "interval")] == [1.0, 1.0, 1.0]


def test_raters_who_throw_dice_agree_by_chance_only() -> None:
    ratings = np.random.default_rng(0).integers(0, 3, (4000, 3))
    met = one_table(coincidences(ratings, 3))
    assert float(fleiss_kappa(met)) == pytest.approx(0.0, abs=0.03)
    assert float(krippendorff_alpha(met, "ordinal")) == pytest.approx(0.0, abs=0.03)


def test_where_all_is_of_one_category_there_is_no_figure() -> None:
    ratings = np.full((5, 3), 1)
    met = coincidences(ratings, 3)
    pairs = pair_tables(ratings[:, 0], ratings[:, 1], 3)
    assert np.isnan(cohen_kappa(one_table(pairs)))
    assert np.isnan(fleiss_kappa(one_table(met)))
    assert np.isnan(krippendorff_alpha(one_table(met), "ordinal"))
    assert over_items(met, fleiss_kappa) is None
    assert over_items(np.zeros((0, 3, 3)), fleiss_kappa) is None
    assert over_items(coincidences(np.array([[0, MISSING], [MISSING, 1]]), 3), fleiss_kappa) is None


def test_the_interval_is_that_of_drawing_the_items_again() -> None:
    ratings = random_ratings(50, 3, seed=2)
    interval = over_items(coincidences(ratings, 3), fleiss_kappa, seed=1)
    random = np.random.default_rng(9)
    drawn = [float(fleiss_kappa(one_table(coincidences(ratings[random.integers(0, 50, 50)], 3)))) for _ in range(2000)]
    assert interval is not None
    assert interval.mean == pytest.approx(float(fleiss_kappa(one_table(coincidences(ratings, 3)))))
    assert [interval.low, interval.high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.02)
    assert interval == over_items(coincidences(ratings, 3), fleiss_kappa, seed=1)
