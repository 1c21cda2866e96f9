"""All figures of all columns on the rows that every compared reward scored, with one bootstrap for all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import numpy as np

from shared.errors import ZhufuError
from trainer.evaluation.auc import Floats, RankedPairs, ranked_near_pairs, ranked_pairs
from trainer.evaluation.rewards import classification
from trainer.evaluation.rewards.calibration import Bin, brier, calibration_error, error_by_chance, reliability
from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.correlation import partial_correlation, ranks
from trainer.evaluation.rewards.groups import Integers, request_groups
from trainer.evaluation.rewards.material import LEAST_ROWS, Material, enough
from trainer.evaluation.rewards.resampling import RESAMPLES, Estimate, Statistic, estimate, ratio_of, share_of
from trainer.evaluation.rewards.slices import Slice


class NothingToMeasure(ZhufuError):
    """Too few rows were scored for any figure."""

    code = "nothing_to_measure"


class Measure(StrEnum):
    """What is measured of a column. Of pairs: the share in which the better text has the higher score, ties half."""

    STRATIFIED_AUC = "length_stratified_auc"
    CLOSE_PAIRS = "close_pairs"
    MATCHED_PAIRS = "matched_pairs"
    ALL_PAIRS = "all_pairs"
    AUC = "auc"
    ACCURACY = "accuracy"
    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"
    CALIBRATION_ERROR = "calibration_error"
    BRIER = "brier"
    LABEL_SPEARMAN = "score_and_label_given_length_spearman"
    LABEL_PEARSON = "score_and_label_given_length_pearson"
    LENGTH_SPEARMAN = "score_and_length_given_label_spearman"
    LENGTH_PEARSON = "score_and_length_given_label_pearson"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """Which rows and pairs take part, as places in the material."""

    rows: Integers
    pairs: Integers

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Population)
            and np.array_equal(self.rows, other.rows)
            and np.array_equal(self.pairs, other.pairs)
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """How a column's probabilities fare in bins.

    Attributes:
        bins: From low to high probability.
        by_chance: The calibration error that exactly right probabilities would show on so many rows.
    """

    bins: Sequence[Bin]
    by_chance: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """The figures.

    Attributes:
        population: Of what.
        figures: By column and measure; None where there is no such figure.
        slices: By column, then by (group, name) of a slice; only what has `LEAST_ROWS` of each label has figures.
        calibration: By column, for those with probabilities.
        near_pairs: Pairs of about the same length behind the length-stratified AUC.
        matched: ``(pairs, 2)``, places in the material of the matched pairs.
        close: Places in the material of the pairs close in length.
    """

    population: Population
    figures: Mapping[tuple[str, Measure], Estimate | None]
    slices: Mapping[str, Mapping[tuple[str, str], Mapping[Measure, Estimate | None]]]
    calibration: Mapping[str, Calibration]
    near_pairs: int
    matched: Integers
    close: Integers


def population_of(columns: Sequence[Column]) -> Population:
    """What all columns have scored.

    Raises:
        ValueError: There are no columns.
    """
    if not columns:
        raise ValueError("no columns: nobody scored anything")
    rows, pairs = columns[0].scored_rows, columns[0].scored_pairs
    for column in columns[1:]:
        rows, pairs = np.intersect1d(rows, column.scored_rows), np.intersect1d(pairs, column.scored_pairs)
    return Population(rows=rows, pairs=pairs)


def measure(
    material: Material,
    columns: Sequence[Column],
    population: Population,
    slices: Sequence[Slice] = (),
    *,
    resamples: int = RESAMPLES,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Measured:
    """Measure columns on a population that all of them have scored.

    Args:
        material: What was scored.
        columns: Of rewards and baselines.
        population: See `population_of`.
        slices: Of the material's rows.
        resamples: Of the bootstrap, over requests.
        seed: Of all that is drawn.
        advance: Told of each part of a column's resamples that is done.

    Raises:
        NothingToMeasure: The population has fewer than `LEAST_ROWS` rows of a label.
    """
    labels, lengths = material.labels[population.rows], material.lengths[population.rows]
    if not enough(labels):
        raise NothingToMeasure(
            f"{int(labels.sum())} good and {labels.size - int(labels.sum())} bad rows were scored by every reward that "
            f"is compared; {LEAST_ROWS} of each are needed"
        )
    requests = np.unique(material.requests[population.rows], return_inverse=True)[1].astype(np.int64)
    parts = _parts(slices, population, material.labels)
    here = np.isin(material.matched, population.rows)
    matched = material.matched[here.all(axis=1)]
    close = np.intersect1d(material.close, population.pairs)
    figures: dict[tuple[str, Measure], Estimate | None] = {}
    sliced: dict[str, dict[tuple[str, str], dict[Measure, Estimate | None]]] = {}
    calibration: dict[str, Calibration] = {}
    for column in columns:
        statistics: dict[_Key, Statistic] = {
            (None, name): each for name, each in _of_rows(column, population.rows, labels, lengths).items()
        }
        for key, places in parts.items():
            in_slice = _of_slice(column, population, places, labels, lengths)
            statistics |= {(key, name): each for name, each in in_slice.items()}
        found = estimate(statistics, requests, resamples=resamples, seed=seed, advance=advance)
        of_pairs = _of_pairs(material, column, matched, close, population, resamples, seed)
        for name in Measure:
            figures[(column.name, name)] = found.get((None, name)) or of_pairs.get(name)
        biased = figures[(column.name, Measure.CALIBRATION_ERROR)]
        if biased is not None:
            figures[(column.name, Measure.CALIBRATION_ERROR)] = dataclasses.replace(biased, biased=True)
        sliced[column.name] = {key: {name: found.get((key, name)) for name in SLICED} for key in parts}
        if column.probabilities is not None:
            probabilities = column.probabilities[population.rows]
            calibration[column.name] = Calibration(
                bins=reliability(probabilities, labels), by_chance=error_by_chance(probabilities, seed=seed)
            )
    near = _near(lengths, labels, lengths)
    return Measured(
        population=population,
        figures=figures,
        slices=sliced,
        calibration=calibration,
        near_pairs=0 if near is None else near.pairs,
        matched=matched,
        close=close,
    )


_Key = tuple[tuple[str, str] | None, Measure]
"""A slice, or None for all rows, and what is measured there."""

SLICED = (Measure.STRATIFIED_AUC, Measure.AUC, Measure.ACCURACY)


def wins(pairs: Floats) -> Floats:
    """``(pairs, 2)`` scores of the better and the worse text → ``(pairs,)``: 1 won, 0.5 tied, 0 lost."""
    found: Floats = (pairs[:, 0] > pairs[:, 1]) + 0.5 * (pairs[:, 0] == pairs[:, 1])
    return found


def _of_rows(column: Column, rows: Integers, labels: Integers, lengths: Floats) -> dict[Measure, Statistic]:
    scores, decisions = column.scores[rows], column.decisions[rows]
    statistics = {
        Measure.AUC: ranked_pairs(scores, labels).shares,
        Measure.ACCURACY: classification.accuracy(decisions, labels),
        Measure.PRECISION: classification.precision(decisions, labels),
        Measure.RECALL: classification.recall(decisions, labels),
        Measure.F1: classification.f1(decisions, labels),
        **_correlations(scores, labels.astype(np.float64), lengths),
    }
    near = _near(scores, labels, lengths)
    if near is not None:
        statistics[Measure.STRATIFIED_AUC] = near.shares
    if column.probabilities is not None:
        statistics[Measure.CALIBRATION_ERROR] = calibration_error(column.probabilities[rows], labels)
        statistics[Measure.BRIER] = brier(column.probabilities[rows], labels)
    return statistics


def _near(scores: Floats, labels: Integers, lengths: Floats) -> RankedPairs | None:
    try:
        return ranked_near_pairs(scores, labels, lengths)
    except ValueError:  # no pair is of about the same length
        return None


def _correlations(scores: Floats, labels: Floats, lengths: Floats) -> dict[Measure, Statistic]:
    ranked = [ranks(values) for values in (scores, labels, lengths)]
    return {
        Measure.LABEL_PEARSON: partial_correlation(scores, labels, lengths),
        Measure.LABEL_SPEARMAN: partial_correlation(*ranked),
        Measure.LENGTH_PEARSON: partial_correlation(scores, lengths, labels),
        Measure.LENGTH_SPEARMAN: partial_correlation(ranked[0], ranked[2], ranked[1]),
    }


def _parts(slices: Sequence[Slice], population: Population, labels: Integers) -> dict[tuple[str, str], Integers]:
    """The slices that have enough rows, as places in the population."""
    found = {
        (each.group, each.name): np.flatnonzero(np.isin(population.rows, each.rows)).astype(np.int64) for each in slices
    }
    return {key: places for key, places in found.items() if enough(labels[population.rows[places]])}


def _of_slice(
    column: Column, population: Population, places: Integers, labels: Integers, lengths: Floats
) -> dict[Measure, Statistic]:
    scores, decisions = column.scores[population.rows[places]], column.decisions[population.rows[places]]
    pairs = ranked_pairs(scores, labels[places])
    right = ratio_of((decisions == labels[places]).astype(np.float64), np.ones(places.size))
    statistics: dict[Measure, Statistic] = {
        Measure.AUC: lambda times: pairs.shares(times[:, places]),
        Measure.ACCURACY: lambda times: right(times[:, places]),
    }
    near = _near(scores, labels[places], lengths[places])
    if near is not None and min(near.positives, near.negatives) >= LEAST_ROWS:
        statistics[Measure.STRATIFIED_AUC] = lambda times: near.shares(times[:, places])
    return statistics


def _of_pairs(
    material: Material,
    column: Column,
    matched: Integers,
    close: Integers,
    population: Population,
    resamples: int,
    seed: int,
) -> dict[Measure, Estimate | None]:
    """Matched pairs are drawn one by one: each is of rows that are in no other; preference pairs by request."""
    found: dict[Measure, Estimate | None] = {}
    every = {Measure.MATCHED_PAIRS: (column.scores[matched], np.arange(len(matched)))}
    kinds = {Measure.CLOSE_PAIRS: close}
    if material.pairs_source == material.sources.data and close.size < population.pairs.size:
        kinds[Measure.ALL_PAIRS] = population.pairs
    for name, places in kinds.items():
        every[name] = (column.pairs[places], request_groups([material.pairs[place].prompt for place in places]))
    for name, (scores, groups) in every.items():
        if len(scores) >= LEAST_ROWS:
            found |= estimate({name: share_of(wins(scores))}, groups, resamples=resamples, seed=seed)
    return found
