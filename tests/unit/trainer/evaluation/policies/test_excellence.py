"""When a text counts as excellent: a threshold, else a verdict, else a probability, else never told."""

from __future__ import annotations

import pytest

from shared.errors import InvalidRequest
from tests.unit.trainer.evaluation.policies.made import failed, scored
from trainer.evaluation.policies.excellence import Excellence, excellence_of, parse_thresholds


def test_a_verdict_decides_where_there_is_one() -> None:
    scores = [scored(0.9, verdict=False), scored(0.1, verdict=True), failed()]
    rule = excellence_of(scores, None)
    assert rule == Excellence("verdict")
    assert [rule.of(score) for score in scores] == [0.0, 1.0, None]
    assert str(rule) == "verdict 1"


def test_else_a_calibrated_probability_from_a_half_on() -> None:
    scores = [scored(-1.0, components={"probability": 0.5}), scored(8.0, components={"probability": 0.49}), scored(1.0)]
    rule = excellence_of(scores, None)
    assert rule is not None
    assert [rule.of(score) for score in scores] == [1.0, 0.0, None]
    assert str(rule) == "calibrated probability ≥ 0.5"


def test_a_threshold_decides_against_both() -> None:
    scores = [scored(0.9, verdict=False), scored(2.0, components={"probability": 0.1}), scored(0.89, verdict=True)]
    rule = excellence_of(scores, 0.9)
    assert rule is not None
    assert [rule.of(score) for score in scores] == [1.0, 1.0, 0.0]
    assert str(rule) == "reward ≥ 0.9"


def test_a_reward_with_none_of_these_does_not_tell() -> None:
    assert excellence_of([scored(3.0), failed()], None) is None
    assert excellence_of([failed()], None) is None


def test_thresholds_are_read() -> None:
    assert parse_thresholds(["rm=1.5", "judge=0.5"], ["judge", "rm"]) == {"rm": 1.5, "judge": 0.5}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["rm"], "write NAME=NUMBER"),
        (["rm=much"], "write NAME=NUMBER"),
        (["rm=nan"], "not a finite number"),
        (["other=1"], "names no --reward"),
        (["rm=1", "rm=2"], "stands twice"),
    ],
)
def test_what_is_no_threshold_is_refused(options: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_thresholds(options, ["rm"])
