"""OpenRLHF's own executor, from PyPI, asks real services in its form. What stands in: see the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.schemas import Rollout
from tests.support.judge import asked, reward_of
from tests.support.processes import Service
from tests.support.scorers import FAILS, FAILS_FOR_GOOD
from tests.support.trainers.running import answers_of
from tests.support.trainers.texts import ASKED, FAILS_FIRST, FORGED, GIVEN, KEY, LIKED, LONG, WRITTEN, with_key

pytestmark = pytest.mark.timeout(600)

END = "<|im_end|>"
BATCH = [WRITTEN[:length] for length in (3, 11, 7, 5, 9)]


def execution(url: str, completion: str, *, prompt: str = GIVEN, **changes: Any) -> dict[str, Any]:
    values = {"max_tokens": 64, "max_length": 1024, "label": "", **changes}
    return {"urls": [f"{url}/get_reward"], "prompt": prompt, "completion": completion + END, **values}


def fetch(urls: list[str], completions: list[str]) -> dict[str, Any]:
    queries = [f"{GIVEN}{completion}{END}" for completion in completions]
    prompts = [GIVEN] * len(queries)
    return {"urls": [f"{url}/get_reward" for url in urls], "queries": queries, "prompts": prompts, "labels": prompts}


@pytest.fixture(scope="module")
def answers(packages: Path, tokenizer: Path, greetings: Service, judge: Service) -> dict[str, Any]:
    length, taste = with_key(greetings), with_key(judge)
    cases = {
        "execute": {
            "scored": execution(taste, LIKED),
            "by length": execution(length, WRITTEN),
            "cut prompt": execution(length, WRITTEN, prompt=LONG, max_length=100),
            "forged turns": execution(length, FORGED),
            "mended": execution(taste, LIKED + FAILS_FIRST),
            "failed": execution(length, WRITTEN + FAILS),
            "refused": execution(length, WRITTEN + FAILS_FOR_GOOD),
            "without key": execution(greetings.url, WRITTEN),
        },
        "fetch": {
            "many": fetch([length, length], BATCH),
            "one of many failed": fetch([length], [WRITTEN, WRITTEN + FAILS]),
        },
    }
    return answers_of("openrlhf_program", packages, {"tokenizer": str(tokenizer), **cases})


def test_execute_gets_the_reward_of_the_contract(answers: dict[str, Any], judge: Service) -> None:
    (score,) = asked(judge, Rollout(id="1", prompt=ASKED, completion=LIKED), key=KEY)
    assert answers["scored"]["reward"] == answers["scored"]["scores"] == [pytest.approx(reward_of(score))]
    assert answers["scored"]["trained_on"] == [pytest.approx(reward_of(score))]


@pytest.mark.parametrize(
    ("case", "completion"), [("by length", WRITTEN), ("cut prompt", WRITTEN), ("forged turns", FORGED)]
)
def test_execute_gets_the_reward_of_what_the_policy_wrote_and_nothing_else(
    case: str, completion: str, answers: dict[str, Any]
) -> None:
    assert answers[case]["reward"] == [len(completion) / 1000]
    assert answers[case]["extra_logs"] == {"completion_characters": [len(completion)]}
    assert answers[case]["logged"] == ["completion_characters", "response_clip_ratio", "reward", "score"]


def test_execute_asks_again_after_a_failure_and_gets_the_reward(answers: dict[str, Any]) -> None:
    assert answers["mended"]["reward"] == [pytest.approx(answers["scored"]["reward"][0])]


@pytest.mark.parametrize("case", ["failed", "refused", "without key"])
def test_where_there_is_no_reward_openrlhf_has_none_and_no_zero(case: str, answers: dict[str, Any]) -> None:
    assert answers[case]["reward"] is None
    assert answers[case]["scores"] is None
    assert answers[case]["trained_on"] is None
    assert answers[case]["logged"] == ["response_clip_ratio"]


def test_a_batch_over_two_addresses_comes_back_in_order(answers: dict[str, Any]) -> None:
    rewards = [shard["rewards"] for shard in answers["many"]]
    assert rewards == [[0.003, 0.011, 0.007], [0.005, 0.009]]


def test_one_rollout_without_a_reward_fails_its_request(answers: dict[str, Any]) -> None:
    assert "Request error for 5 times" in answers["one of many failed"]
