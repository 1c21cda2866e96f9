"""verl's own reward loop, from PyPI, asks real services in its forms. What stands in: see the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.schemas import Rollout
from tests.support.judge import asked, reward_of
from tests.support.processes import ROOT, Service
from tests.support.scorers import FAILS, FAILS_FOR_GOOD
from tests.support.trainers.running import answers_of
from tests.support.trainers.texts import ASKED, FAILS_FIRST, FORGED, KEY, LIKED, WRITTEN, with_key

pytestmark = pytest.mark.timeout(600)

ENGINES = ("vllm", "sglang")
MANAGERS = ("naive", "dapo", "rate_limited")
FUNCTION = str(ROOT / "shared" / "dialects" / "verl_reward.py")
END = "<|im_end|>"
ZERO = "async def compute_score(**_):\n    raise RuntimeError('the judge is away')\n"


def rollout(completion: str, **changes: Any) -> dict[str, Any]:
    return {"prompt": ASKED, "completion": completion + END, **changes}


def by_model(engine: str, router: str, completion: str) -> dict[str, Any]:
    return rollout(completion, engine=engine, router=router.removeprefix("http://"))


def by_function(manager: str, url: str, completion: str, **changes: Any) -> dict[str, Any]:
    arguments = {"url": url, "prompt_key": "question", "timeout_seconds": 20, **changes.pop("arguments", {})}
    function = {"path": FUNCTION, "name": "compute_score", "reward_kwargs": arguments}
    return rollout(completion, manager=manager, function=function, **changes)


@pytest.fixture(scope="module")
def answers(
    packages: Path, tokenizer: Path, greetings: Service, judge: Service, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    length, taste = with_key(greetings), with_key(judge)
    zero = tmp_path_factory.mktemp("functions") / "zero.py"
    zero.write_text(ZERO, encoding="utf-8")
    cases: dict[str, Any] = {}
    for engine in ENGINES:
        cases |= {
            f"{engine}: scored": by_model(engine, taste, LIKED),
            f"{engine}: by length": by_model(engine, length, WRITTEN),
            f"{engine}: forged turns": by_model(engine, length, FORGED),
            f"{engine}: mended": by_model(engine, taste, f"{LIKED}{FAILS_FIRST}{len(engine)}"),
            f"{engine}: refused": by_model(engine, length, WRITTEN + FAILS_FOR_GOOD),
            f"{engine}: without key": by_model(engine, greetings.url, WRITTEN),
        }
    for manager in MANAGERS:
        cases |= {
            f"{manager}: scored": by_function(manager, judge.url, LIKED),
            f"{manager}: by length": by_function(manager, greetings.url, WRITTEN),
            f"{manager}: mended": by_function(manager, judge.url, f"{LIKED}{FAILS_FIRST}{manager[0]}"),
            f"{manager}: refused": by_function(manager, greetings.url, WRITTEN + FAILS_FOR_GOOD),
            f"{manager}: failed": by_function(
                manager, greetings.url, WRITTEN + FAILS, arguments={"timeout_seconds": 2}
            ),
            f"{manager}: no prompt": by_function(manager, greetings.url, WRITTEN, extra_info={"index": 7}),
        }
    cases["rate_limited: no patience"] = by_function("rate_limited", greetings.url, WRITTEN + FAILS, timeout=1.0)
    cases["rate_limited: an exception"] = rollout(
        WRITTEN, manager="rate_limited", function={"path": str(zero), "name": "compute_score"}
    )
    asked_for = {"tokenizer": str(tokenizer), "cases": cases}
    return answers_of("verl_program", packages, asked_for, ZHUFU_API_KEY=KEY)


def judged(judge: Service, completion: str) -> float:
    (score,) = asked(judge, Rollout(id="1", prompt=ASKED, completion=completion), key=KEY)
    return reward_of(score)


@pytest.mark.parametrize("case", [*ENGINES, *MANAGERS])
def test_the_reward_is_the_one_of_the_contract(case: str, answers: dict[str, Any], judge: Service) -> None:
    assert answers[f"{case}: scored"]["reward_score"] == pytest.approx(judged(judge, LIKED))


@pytest.mark.parametrize("case", [*ENGINES, *MANAGERS])
def test_the_reward_is_of_what_the_policy_wrote_and_nothing_else(case: str, answers: dict[str, Any]) -> None:
    assert answers[f"{case}: by length"]["reward_score"] == len(WRITTEN) / 1000


@pytest.mark.parametrize("engine", ENGINES)
def test_a_policy_that_makes_up_turns_is_judged_with_all_of_them(engine: str, answers: dict[str, Any]) -> None:
    without_ends = FORGED.replace(END, "")  # verl takes them out of what it decodes
    assert answers[f"{engine}: forged turns"]["reward_score"] == len(without_ends) / 1000


@pytest.mark.parametrize("case", [*ENGINES, *MANAGERS])
def test_a_failure_is_asked_about_again(case: str, answers: dict[str, Any], judge: Service) -> None:
    assert answers[f"{case}: mended"]["reward_score"] == pytest.approx(judged(judge, LIKED))


@pytest.mark.parametrize("engine", ENGINES)
def test_what_no_other_try_would_change_is_raised_at_once(engine: str, answers: dict[str, Any]) -> None:
    assert answers[f"{engine}: refused"] == {"raised": "ClientResponseError", "status": 422}
    assert answers[f"{engine}: without key"] == {"raised": "ClientResponseError", "status": 401}


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("refused", "refused: this one"),
        ("failed", "no reward within 2 seconds"),
        ("no prompt", "no prompt in extra_info"),
    ],
)
def test_no_manager_makes_a_zero_of_a_missing_reward(
    manager: str, case: str, words: str, answers: dict[str, Any]
) -> None:
    answer = answers[f"{manager}: {case}"]
    assert answer["raised"] == "RewardMissing"
    assert words in answer["said"]


def test_a_time_out_of_the_manager_makes_no_zero_either(answers: dict[str, Any]) -> None:
    answer = answers["rate_limited: no patience"]
    assert answer["raised"] == "RewardMissing"
    assert "set reward.timeout above 20 seconds" in answer["said"]


def test_an_ordinary_exception_would_have_been_a_zero(answers: dict[str, Any]) -> None:
    answer = answers["rate_limited: an exception"]
    assert answer["reward_score"] == 0
    assert answer["reward_extra_info"]["error"] == "the judge is away"
