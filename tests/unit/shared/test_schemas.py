from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from shared.schemas import (
    MAX_ROLLOUTS_PER_REQUEST,
    Rollout,
    Score,
    ScoreFailure,
    ScoreRequest,
    ScoreResponse,
)
from tests.support.greetings import rollout, rollouts

FAILURE = ScoreFailure(code="refused", detail="不予评分", retryable=False)

finite_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def bury(value: JsonValue, path: list[bool]) -> JsonValue:
    """A value at some depth: in a list for each True, in an object for each False."""
    for in_list in path:
        value = ["祝", value] if in_list else {"祝": value}
    return value


def score_of(status: str, **values: object) -> Score:
    return Score.model_validate({"id": "贺1", "status": status, "version": "v", "latency_seconds": 0.1, **values})


def test_a_scored_rollout_has_a_reward_and_no_error() -> None:
    assert score_of("scored", reward=0.5).error is None
    with pytest.raises(ValidationError, match="has a reward"):
        score_of("scored", reward=None)
    with pytest.raises(ValidationError, match="has an error"):
        score_of("scored", reward=0.5, error=FAILURE)


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_a_rollout_without_score_has_an_error_and_no_reward_not_even_zero(status: str) -> None:
    assert score_of(status, reward=None, error=FAILURE).reward is None
    with pytest.raises(ValidationError, match="has a reward"):
        score_of(status, reward=0.0, error=FAILURE)
    with pytest.raises(ValidationError, match="has an error"):
        score_of(status, reward=None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_reward_components_and_latency_are_finite(value: float) -> None:
    for wrong in ({"reward": value}, {"reward": 1.0, "components": {"温度": value}}):
        with pytest.raises(ValidationError, match="finite"):
            score_of("scored", **wrong)
    with pytest.raises(ValidationError, match="finite"):
        score_of("scored", reward=1.0, latency_seconds=value)


def test_a_verdict_is_0_or_1_and_a_latency_not_negative() -> None:
    assert score_of("scored", reward=1.0, verdict=1).verdict == 1
    with pytest.raises(ValidationError):
        score_of("scored", reward=1.0, verdict=2)
    with pytest.raises(ValidationError):
        score_of("scored", reward=1.0, latency_seconds=-0.1)


@given(path=st.lists(st.booleans(), max_size=6), value=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_nan_and_infinity_are_refused_at_any_depth_of_metadata_and_options(path: list[bool], value: float) -> None:
    buried = bury(value, path)
    with pytest.raises(ValidationError, match=r"not JSON|finite"):
        Rollout(id="贺1", prompt="祝", completion="福", metadata={"深": buried})
    with pytest.raises(ValidationError, match=r"not JSON|finite"):
        ScoreRequest(rollouts=[rollout(1)], options={"深": buried})
    body = json.dumps({"rollouts": [{"id": "1", "prompt": "祝", "completion": "", "metadata": {"深": buried}}]})
    with pytest.raises(ValidationError, match=r"not JSON|finite"):
        ScoreRequest.model_validate_json(body)


@given(value=finite_json)
def test_a_request_survives_the_journey_through_json(value: JsonValue) -> None:
    asked = ScoreRequest(
        rollouts=[Rollout(id="贺1", prompt="祝", completion="", metadata={"任意": value})], options={"任意": value}
    )
    assert ScoreRequest.model_validate_json(asked.model_dump_json()) == asked


@pytest.mark.parametrize("text", ["\ud800", "福\udfff", "\udc00\ud800"])
def test_lone_surrogates_are_no_text(text: str) -> None:
    with pytest.raises(ValidationError):
        Rollout(id="1", prompt=text, completion="")
    with pytest.raises(ValidationError):
        Rollout(id="1", prompt="祝", completion=text)
    with pytest.raises(ValidationError):
        Rollout(id="1", prompt="祝", completion="福", metadata={"深": [{text: 1}]})
    with pytest.raises(ValidationError):
        score_of("scored", reward=1.0, reason=text)
    with pytest.raises(ValidationError):
        ScoreRequest.model_validate_json(json.dumps({"rollouts": [{"id": "1", "prompt": text, "completion": ""}]}))


def test_ids_must_differ_within_a_request() -> None:
    with pytest.raises(ValidationError, match="stands twice"):
        ScoreRequest(rollouts=[rollout(1), rollout(2), rollout(1)])


def test_unknown_fields_are_refused_everywhere() -> None:
    plain = {"id": "1", "prompt": "祝", "completion": "福"}
    for wrong in (
        {"rollouts": [{**plain, "reward": 1.0}]},
        {"rollouts": [plain], "principles": "v3"},
    ):
        with pytest.raises(ValidationError, match="Extra inputs"):
            ScoreRequest.model_validate(wrong)
    with pytest.raises(ValidationError, match="Extra inputs"):
        ScoreResponse.model_validate({"scores": [], "reward": {"name": "judge", "version": "1", "mood": "好"}})


def test_a_request_holds_from_one_to_ten_thousand_rollouts() -> None:
    with pytest.raises(ValidationError):
        ScoreRequest(rollouts=[])
    assert len(ScoreRequest(rollouts=rollouts(MAX_ROLLOUTS_PER_REQUEST)).rollouts) == 10_000
    with pytest.raises(ValidationError):
        ScoreRequest(rollouts=rollouts(MAX_ROLLOUTS_PER_REQUEST + 1))


def test_a_completion_may_be_empty_but_not_a_prompt_nor_an_id() -> None:
    assert Rollout(id="1", prompt="祝", completion="").completion == ""
    for wrong in ({"id": "", "prompt": "祝"}, {"id": "1", "prompt": ""}, {"id": "1" * 129, "prompt": "祝"}):
        with pytest.raises(ValidationError):
            Rollout(completion="", **wrong)


def test_what_was_checked_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        rollout(1).completion = "另一句"  # type: ignore[misc]
