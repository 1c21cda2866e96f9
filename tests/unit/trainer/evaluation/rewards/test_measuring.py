"""Figures of scorers that are known: a perfect one, a constant one, and one that counts characters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.unit.trainer.evaluation.rewards.made import BAD, GOOD, column, labelled, material_of, text, write_pairs
from trainer.data.labelled import Labelled
from trainer.evaluation.auc import auc, length_stratified_auc
from trainer.evaluation.rewards.frequency import Frequencies
from trainer.evaluation.rewards.material import Material
from trainer.evaluation.rewards.measuring import (
    Measure,
    Measured,
    NothingToMeasure,
    Population,
    measure,
    population_of,
)
from trainer.evaluation.rewards.slices import Slice, slices_of

RESAMPLES = 300


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Good texts are longer by far, and pairs close in length of which the good text is the longer one in half."""
    folder = tmp_path_factory.mktemp("material")
    pairs = [
        (f"请求{number}", text(GOOD, 40 + number % 3 - 1, 500 + number), text(BAD, 40, 600 + number))
        for number in range(30)
    ]
    pairs += [(f"远{number}", text(GOOD, 60, 700 + number), text(BAD, 20, 750 + number)) for number in range(5)]
    return material_of(folder, labelled(400, longer=20), pairs=write_pairs(folder / "pairs.jsonl", pairs))


@pytest.fixture(scope="module")
def measured(material: Material) -> Measured:
    random = np.random.default_rng(99)
    labels, lengths = material.labels, material.lengths
    pair_lengths = np.asarray([[len(pair.chosen), len(pair.rejected)] for pair in material.pairs], dtype=np.float64)
    columns = [
        column(
            "perfect",
            labels.astype(np.float64),
            material,
            probabilities=True,
            pairs=np.tile([1.0, 0.0], (len(material.pairs), 1)),
        ),
        column("constant", np.zeros(400), material, pairs=np.zeros((len(material.pairs), 2))),
        column("length", lengths, material, threshold=40, pairs=pair_lengths),
        column("noisy", labels + random.normal(size=400), material, pairs=random.normal(size=(len(material.pairs), 2))),
    ]
    slices = slices_of(material.rows, lengths, Frequencies([]))
    return measure(material, columns, population_of(columns), slices, resamples=RESAMPLES, seed=0)


def interval(measured: Measured, name: str, figure: Measure) -> tuple[float, float, float]:
    found = measured.figures[(name, figure)]
    assert found is not None, f"{name} has no {figure}"
    return found.interval.mean, found.interval.low, found.interval.high


def test_a_perfect_scorer_is_right_everywhere(measured: Measured) -> None:
    for figure in (
        Measure.AUC,
        Measure.STRATIFIED_AUC,
        Measure.MATCHED_PAIRS,
        Measure.CLOSE_PAIRS,
        Measure.ACCURACY,
        Measure.PRECISION,
        Measure.RECALL,
        Measure.F1,
    ):
        assert interval(measured, "perfect", figure) == (1, 1, 1), figure
    assert interval(measured, "perfect", Measure.CALIBRATION_ERROR) == (0, 0, 0)
    assert interval(measured, "perfect", Measure.BRIER) == (0, 0, 0)
    assert interval(measured, "perfect", Measure.LABEL_PEARSON)[0] == pytest.approx(1)


def test_a_constant_scorer_knows_nothing_and_ties_count_half(measured: Measured) -> None:
    for figure in (Measure.AUC, Measure.STRATIFIED_AUC, Measure.MATCHED_PAIRS, Measure.CLOSE_PAIRS):
        assert interval(measured, "constant", figure) == (0.5, 0.5, 0.5), figure
    for figure in (Measure.LABEL_PEARSON, Measure.LENGTH_SPEARMAN, Measure.PRECISION):
        assert measured.figures[("constant", figure)] is None, figure


def test_a_scorer_that_counts_characters_is_found_out(measured: Measured) -> None:
    assert interval(measured, "length", Measure.AUC)[0] > 0.9
    assert interval(measured, "length", Measure.ACCURACY)[0] > 0.8
    # Of two texts within one stratum the good one is still the longer one a little more often.
    assert 0.5 < interval(measured, "length", Measure.STRATIFIED_AUC)[0] < 0.65
    assert interval(measured, "length", Measure.MATCHED_PAIRS)[0] == 0.5
    assert interval(measured, "length", Measure.CLOSE_PAIRS)[0] == 0.5
    assert interval(measured, "length", Measure.LENGTH_PEARSON)[0] == pytest.approx(1)


def test_a_scorer_equal_to_length_has_one_half_within_its_stratified_interval(tmp_path: Path) -> None:
    """Where length says nothing within a stratum; over many data sets about 95 in 100 intervals hold the 0.5."""
    held = 0
    for seed in range(20):
        material = material_of(tmp_path, labelled(120, seed=seed))
        only = column("length", material.lengths, material)
        found = measure(material, [only], population_of([only]), resamples=RESAMPLES, seed=seed)
        _, low, high = interval(found, "length", Measure.STRATIFIED_AUC)
        held += low <= 0.5 <= high
    assert held >= 17


def test_the_aucs_are_those_of_their_own_module(material: Material, measured: Measured) -> None:
    noisy = material.labels + np.random.default_rng(99).normal(size=400)
    labels, lengths = material.labels.tolist(), material.lengths.tolist()
    for figure, expected in (
        (Measure.AUC, auc(noisy.tolist(), labels)),
        (Measure.STRATIFIED_AUC, length_stratified_auc(noisy.tolist(), labels, lengths)),
    ):
        mean, low, high = interval(measured, "noisy", figure)
        assert mean == pytest.approx(expected.interval.mean)
        assert (low, high) == pytest.approx((expected.interval.low, expected.interval.high), abs=0.02)
    assert measured.near_pairs == length_stratified_auc(noisy.tolist(), labels, lengths).pairs


def test_slices_have_the_figures_of_their_rows_and_none_where_they_are_small(
    material: Material, measured: Measured
) -> None:
    noisy = material.labels + np.random.default_rng(99).normal(size=400)
    named = {(each.group, each.name): each for each in slices_of(material.rows, material.lengths, Frequencies([]))}
    found = measured.slices["noisy"]
    assert ("occasion", "birthday") in found
    for key, figures in found.items():
        rows = named[key].rows
        shown = figures[Measure.AUC]
        assert shown is not None
        assert shown.value == pytest.approx(roc_auc_score(material.labels[rows], noisy[rows]))
    small = Slice(group="made", name="small", rows=np.arange(18))
    only = column("noisy", noisy, material)
    without = measure(material, [only], population_of([only]), [small], resamples=10, seed=0)
    assert without.slices["noisy"] == {}


def test_only_the_population_counts(material: Material) -> None:
    """What lies outside may be anything: a reward that failed there has no score."""
    scores = material.labels.astype(np.float64)
    scores[:100] = np.nan
    some = column("some", scores, material, pairs=np.full((len(material.pairs), 2), 0.0))
    other = column("other", np.where(np.arange(400) < 50, np.nan, 0.0), material)
    population = population_of([some, other])
    assert population == Population(rows=np.arange(100, 400), pairs=np.zeros(0, dtype=np.int64))
    found = measure(material, [some], population, resamples=10, seed=0)
    assert interval(found, "some", Measure.AUC) == (1, 1, 1)
    assert found.figures[("some", Measure.CLOSE_PAIRS)] is None
    assert set(found.matched.ravel().tolist()) <= set(range(100, 400))


def test_too_few_rows_have_no_figures(material: Material) -> None:
    only = column("few", np.where(np.arange(400) < 18, 1.0, np.nan), material)
    with pytest.raises(NothingToMeasure, match="9 good and 9 bad rows were scored by every reward"):
        measure(material, [only], population_of([only]), seed=0)


def test_where_no_lengths_are_alike_there_is_no_stratified_figure(tmp_path: Path) -> None:
    rows = [
        Labelled(f"第{number}位", text(GOOD if number % 2 else BAD, 80 if number % 2 else 10, number), number % 2)  # type: ignore[arg-type]
        for number in range(40)
    ]
    material = material_of(tmp_path, rows)
    only = column("length", material.lengths, material)
    found = measure(material, [only], population_of([only]), resamples=10, seed=0)
    assert found.figures[("length", Measure.STRATIFIED_AUC)] is None
    assert found.figures[("length", Measure.MATCHED_PAIRS)] is None
    assert found.near_pairs == 0
