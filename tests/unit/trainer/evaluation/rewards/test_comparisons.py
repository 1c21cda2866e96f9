"""Tests between columns: exact where they can be, corrected for their number, and blind to what both get right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.unit.trainer.evaluation.rewards.made import column, labelled, material_of
from trainer.evaluation.rewards.comparisons import COMPARED, Comparison, compare
from trainer.evaluation.rewards.material import Material
from trainer.evaluation.rewards.measuring import Measure, measure, population_of


@pytest.fixture
def material(tmp_path: Path) -> Material:
    return material_of(tmp_path, labelled(200))


def compared(material: Material) -> dict[tuple[str, str, Measure], Comparison]:
    """A reward that is wrong on 20 rows, one that is wrong on 50 with 15 in common, and two baselines."""
    labels = material.labels.astype(np.float64)
    better, worse = labels.copy(), labels.copy()
    better[:20] = 1 - better[:20]
    worse[5:55] = 1 - worse[5:55]
    columns = [
        column("better", better, material),
        column("worse", worse, material),
        column("length rule", material.lengths, material, kind="baseline", threshold=30),
        column("chance", np.zeros(200), material, kind="baseline"),
    ]
    measured = measure(material, columns, population_of(columns), resamples=500, seed=0)
    found = compare(material, columns, measured, leave_out="chance")
    return {(each.first, each.second, each.measure): each for each in found}


def test_accuracy_is_tested_by_mcnemars_exact_test(material: Material) -> None:
    found = compared(material)[("better", "worse", Measure.ACCURACY)]
    assert found.difference.mean == pytest.approx(30 / 200)
    assert found.p == pytest.approx(binomtest(35, 40).pvalue)
    assert found.difference.excludes_zero


def test_matched_pairs_are_tested_by_signs_with_ties_between(material: Material) -> None:
    found = compared(material)[("better", "worse", Measure.MATCHED_PAIRS)]
    labels = material.labels

    def wins(wrong: range) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        scores = np.where(np.isin(np.arange(200), wrong), 1 - labels, labels)
        good, bad = scores[material.matched[:, 0]], scores[material.matched[:, 1]]
        return np.asarray((good > bad) + 0.5 * (good == bad), dtype=np.float64)

    differences = wins(range(20)) - wins(range(5, 55))
    more, less = int((differences > 0).sum()), int((differences < 0).sum())
    assert found.p == pytest.approx(binomtest(more, more + less).pvalue)
    assert found.difference.mean == pytest.approx(differences.mean())


def test_all_rewards_meet_and_each_meets_the_baselines_but_not_chance(material: Material) -> None:
    found = compared(material)
    assert {key[:2] for key in found} == {("better", "worse"), ("better", "length rule"), ("worse", "length rule")}
    assert {key[2] for key in found} == set(COMPARED) - {Measure.CLOSE_PAIRS}, "there are no pairs here"


def test_every_p_is_corrected_for_all_of_them(material: Material) -> None:
    found = compared(material)
    lowest = min(found.values(), key=lambda each: each.p)
    assert lowest.adjusted == pytest.approx(min(1.0, len(found) * lowest.p))
    assert all(each.adjusted >= each.p for each in found.values())


def test_a_reward_that_is_the_same_under_two_names_is_no_better_than_itself(material: Material) -> None:
    scores = material.labels + np.random.default_rng(1).normal(size=200)
    columns = [column("one", scores, material), column("two", scores, material)]
    measured = measure(material, columns, population_of(columns), resamples=100, seed=0)
    for found in compare(material, columns, measured, leave_out=""):
        assert (found.difference.mean, found.difference.low, found.difference.high) == (0, 0, 0)
        assert found.p == found.adjusted == 1
