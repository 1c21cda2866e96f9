"""The rubric is the paper's, and the one of the judge."""

from __future__ import annotations

import itertools

import pytest

from services.judge.rubric import ACCEPTABLE as JUDGES_ACCEPTABLE
from services.judge.rubric import WEIGHTS, Rubric
from trainer.evaluation.ratings.rubric import (
    ACCEPTABLE,
    DIMENSIONS,
    HIGHEST,
    LOWEST,
    POINTS,
    acceptable,
    hundredfold,
    weighted_mean,
)

NAMES = [dimension.name for dimension in DIMENSIONS]


def test_people_rate_by_the_weights_of_the_judge() -> None:
    assert {dimension.name: dimension.weight / 100 for dimension in DIMENSIONS} == pytest.approx(WEIGHTS)
    assert sum(dimension.weight for dimension in DIMENSIONS) == 100
    assert ACCEPTABLE == JUDGES_ACCEPTABLE
    assert tuple(range(LOWEST, HIGHEST + 1)) == POINTS


def test_the_weighted_mean_is_the_judges() -> None:
    for points in itertools.product(POINTS, repeat=len(NAMES)):
        given = dict(zip(NAMES, points, strict=True))
        mean = Rubric(**given).weighted_mean
        assert weighted_mean([given]) == pytest.approx(mean)
        assert acceptable([given]) == (mean >= JUDGES_ACCEPTABLE - 1e-9)


def test_a_text_exactly_at_the_bound_is_acceptable_for_one_rater_and_for_several() -> None:
    at_bound = dict(zip(NAMES, (3, 1, 3, 1, 2), strict=True))
    assert hundredfold(at_bound) == 200
    assert acceptable([at_bound])
    low, high = dict.fromkeys(NAMES, 1), dict.fromkeys(NAMES, 3)
    assert acceptable([low, high])
    assert acceptable([low, high, at_bound])
    assert not acceptable([low, low, high])
