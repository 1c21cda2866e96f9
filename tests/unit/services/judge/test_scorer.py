"""The scorer before anything is asked: versions, options, costs, what is left to judge."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.judge.metrics import JudgeMetrics
from services.judge.scorer import JudgeScorer
from shared.errors import InvalidData, InvalidRequest, TextTooLong
from shared.llm.metrics import LlmMetrics
from shared.schemas import Rollout
from shared.untrusted import CUT, has_words
from tests.unit.services.judge.made import settings


def scorer(**changes: Any) -> JudgeScorer:
    registry = CollectorRegistry()
    return JudgeScorer(settings(**changes), JudgeMetrics("judge", registry), LlmMetrics(registry))


def version(**changes: Any) -> str:
    return scorer(**changes).info().version


def test_the_version_names_service_principles_and_mode() -> None:
    name, _, rest = version(mode="verdict", name="strict").partition("@")
    assert name == "strict"
    assert rest.startswith("greetings-v1#")
    assert rest.partition("/")[2].startswith("verdict#")
    assert version(mode="verdict", name="strict") == version(mode="verdict", name="strict")


@pytest.mark.parametrize(
    "change",
    [
        {"llm_model": "another"},
        {"llm_api": "completions"},
        {"llm_extra_body": {"top_k": 1}},
        {"labels": "是,否"},
        {"examples": "none"},
        {"few_shot_limit": 4},
        {"samples": 2},
        {"temperature": 0.5},
        {"mode": "rubric"},
        {"panel": [{"model": "甲"}, {"model": "乙"}]},
    ],
)
def test_the_version_changes_with_all_that_a_score_hangs_on(change: dict[str, Any]) -> None:
    assert version(**change) != version()


@pytest.mark.parametrize(
    "change", [{"llm_url": "http://127.0.0.1:2"}, {"llm_api_key": "sk-secret"}, {"llm_timeout_seconds": 5}, {"port": 1}]
)
def test_the_version_does_not_change_with_where_the_model_is(change: dict[str, Any]) -> None:
    assert version(**change) == version()


@pytest.mark.parametrize("change", [{"principles": "greetings-v0"}, {"examples": "greetings-v0"}])
def test_what_is_configured_must_exist(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidData):
        scorer(**change)


def test_rewards_are_between_zero_and_one_by_its_own_word() -> None:
    info = scorer().info()
    assert (info.range.minimum, info.range.maximum) == (0.0, 1.0)
    assert set(info.options) == {"mode", "principles", "samples", "group_size"}


@pytest.mark.parametrize("options", [{"principles": "unknown"}, {"mode": "guess"}, {"unknown": 1}, {"samples": 99}])
def test_options_that_are_not_taken_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        scorer().check_options(options)


def test_options_that_are_taken_are_not() -> None:
    judge = scorer()
    judge.check_options({"principles": "greetings-v1", "mode": "group", "samples": 2, "group_size": 4})
    judge.check_options({"principles": judge.principles.active.version})


def test_what_is_longer_than_allowed_is_refused_and_not_cut() -> None:
    judge = scorer(max_characters=10)
    assert judge.cost(Rollout(id="1", prompt="生日", completion="快" * 8)) >= 1
    with pytest.raises(TextTooLong):
        judge.cost(Rollout(id="1", prompt="生日", completion="快" * 9))


@pytest.mark.parametrize(
    ("shown", "has"),
    [
        ("", False),
        (" \n", False),
        ("。！？", False),
        (CUT, False),
        (f"{CUT} {CUT}。", False),
        ("好", True),
        ("8", True),
    ],
)
def test_there_is_something_to_judge_where_a_letter_or_digit_is_left(shown: str, has: bool) -> None:
    assert has_words(shown) is has
