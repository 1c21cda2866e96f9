"""Tests between columns on the same rows: is one reward better than another, or than a baseline, or is it chance?"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from trainer.evaluation.auc import Floats
from trainer.evaluation.intervals import Interval
from trainer.evaluation.paired import holm, sign_test
from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.material import Material
from trainer.evaluation.rewards.measuring import Measure, Measured, wins

COMPARED = (Measure.STRATIFIED_AUC, Measure.CLOSE_PAIRS, Measure.MATCHED_PAIRS, Measure.AUC, Measure.ACCURACY)
BY_SIGNS = frozenset({Measure.CLOSE_PAIRS, Measure.MATCHED_PAIRS, Measure.ACCURACY})
"""Tested exactly, by which rows or pairs one gets right and the other does not; the rest by the paired bootstrap."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One figure of two columns.

    Attributes:
        first: Name of a reward.
        second: Of another reward, or a baseline.
        measure: Which figure.
        difference: First minus second, with its 95 % interval by the paired bootstrap.
        p: Two-sided.
        adjusted: After Holm's correction over all comparisons of the evaluation.
    """

    first: str
    second: str
    measure: Measure
    difference: Interval
    p: float
    adjusted: float


def compare(material: Material, columns: Sequence[Column], measured: Measured, *, leave_out: str) -> list[Comparison]:
    """Every reward with every other one and with every baseline but one, whose figures are known beforehand."""
    rewards = [column for column in columns if column.kind == "reward"]
    baselines = [column for column in columns if column.kind == "baseline" and column.name != leave_out]
    found: dict[tuple[str, str, Measure], tuple[Interval, float]] = {}
    for first, second in [*itertools.combinations(rewards, 2), *itertools.product(rewards, baselines)]:
        for measure in COMPARED:
            one, other = measured.figures[(first.name, measure)], measured.figures[(second.name, measure)]
            if one is None or other is None:
                continue
            difference = one.above(other)
            p = difference.p
            if measure in BY_SIGNS:
                p = sign_test(
                    (
                        _rights(material, first, measured, measure) - _rights(material, second, measured, measure)
                    ).tolist()
                )
            found[(first.name, second.name, measure)] = (difference.interval, p)
    adjusted = holm({key: p for key, (_, p) in found.items()})
    return [
        Comparison(first=key[0], second=key[1], measure=key[2], difference=interval, p=p, adjusted=adjusted[key])
        for key, (interval, p) in found.items()
    ]


def _rights(material: Material, column: Column, measured: Measured, measure: Measure) -> Floats:
    """How right a column is, row by row or pair by pair."""
    if measure is Measure.ACCURACY:
        rows = measured.population.rows
        return np.asarray(column.decisions[rows] == material.labels[rows], dtype=np.float64)
    if measure is Measure.MATCHED_PAIRS:
        return wins(column.scores[measured.matched])
    return wins(column.pairs[measured.close])
