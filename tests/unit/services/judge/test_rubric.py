"""The rubric's arithmetic."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction

import pytest
from pydantic import ValidationError

from services.judge.modes import RubricMode
from services.judge.rubric import WEIGHTS, Rubric
from tests.unit.services.judge.made import answer, examples, mode_settings, principles

EXACT = {name: Fraction(str(weight)) for name, weight in WEIGHTS.items()}
MODE = RubricMode(principles(), examples(), mode_settings())


def rubric(*points: int) -> Rubric:
    return Rubric(**dict(zip(WEIGHTS, points, strict=True)))


def test_the_weights_are_those_of_the_paper_and_add_up_to_one() -> None:
    assert WEIGHTS == {"language": 0.30, "creativity": 0.30, "emotion": 0.15, "culture": 0.15, "richness": 0.10}
    assert sum(EXACT.values()) == 1


def test_every_rubric_there_is_has_the_exact_mean_reward_and_verdict() -> None:
    for points in itertools.product((1, 2, 3), repeat=5):
        exact = sum(weight * value for weight, value in zip(EXACT.values(), points, strict=True))
        assert rubric(*points).weighted_mean == pytest.approx(float(exact), abs=1e-12)
        written = {"reason": "语言通顺，情意真切。", **dict(zip(WEIGHTS, points, strict=True))}
        vote = MODE.read(answer(json.dumps(written, ensure_ascii=False)))
        assert vote.reward == pytest.approx(float((exact - 1) / 2), abs=1e-12)
        assert vote.verdict == (1 if exact >= 2 else 0), points
        assert {name: vote.components[name] for name in WEIGHTS} == dict(zip(WEIGHTS, map(float, points), strict=True))
        assert 0 <= vote.reward <= 1


def test_lowest_middle_and_highest_points_are_zero_one_half_and_one() -> None:
    rewards = [(rubric(*[points] * 5).weighted_mean - 1) / 2 for points in (1, 2, 3)]
    assert rewards == [pytest.approx(0), pytest.approx(0.5), pytest.approx(1)]


@pytest.mark.parametrize("points", [0, 4, -1, 2.5, "2", True, None, math.nan])
def test_points_are_whole_numbers_from_one_to_three(points: object) -> None:
    with pytest.raises(ValidationError):
        Rubric.model_validate({**dict.fromkeys(WEIGHTS, 2), "culture": points})
