"""From a score to an outcome: what is a sample, what a failure, and which failures may pass."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.errors import RewardProtocolError, RewardRejected
from shared.schemas import ScoreFailure
from tests.unit.trainer.sampling.made import USAGE, sample, score, without_pair
from trainer.sampling.outcome import Choice, Outcome, outcome_of


def failure(code: str, *, retryable: bool = False) -> ScoreFailure:
    return ScoreFailure(code=code, detail="no", retryable=retryable)


def test_a_sample_is_kept_whole_with_its_price() -> None:
    outcome = outcome_of(score({"sample": sample()}), through_queue=False)
    assert (outcome.sample, outcome.usage, outcome.tokens) == (sample(), USAGE, 42)
    assert outcome.version == "multi_agent@1"


def test_a_sample_without_a_pair_has_its_reason() -> None:
    choice = outcome_of(score({"sample": without_pair("all_bad")}), through_queue=True).choice()
    assert (choice.pair, choice.no_pair) == (None, "all_bad")


@pytest.mark.parametrize(
    "details",
    [
        None,
        {},
        {"transcript": []},
        {"sample": None},
        {"sample": []},
        {"sample": sample(pair=None)},
        {"sample": sample(no_pair="all_good")},
        {"sample": sample(chosen=" ")},
        {"sample": sample(chosen="一", rejected="一")},
        {"sample": sample(pair={"chosen": "一", "rejected": "二"})},
    ],
)
def test_an_answer_without_a_readable_sample_breaks_the_contract(details: dict[str, Any] | None) -> None:
    with pytest.raises(RewardProtocolError):
        outcome_of(score(details), through_queue=False)


def test_options_that_are_refused_through_the_queue_are_refused_for_all() -> None:
    with pytest.raises(RewardRejected):
        outcome_of(score(failure=failure("invalid_request")), through_queue=True)


@pytest.mark.parametrize(
    ("code", "told", "through_queue", "retryable"),
    [
        ("judge_llm_timeout", True, False, True),
        ("judge_llm_refused", False, False, False),
        ("judge_llm_timeout", False, True, True),
        ("attempts_exhausted", False, True, True),
        ("text_too_long", False, True, False),
        ("deadline_expired", True, True, True),
    ],
)
def test_a_failure_may_pass_where_the_service_says_so_and_after_the_queue_gave_up(
    code: str, told: bool, through_queue: bool, retryable: bool
) -> None:
    outcome = outcome_of(score(failure=failure(code, retryable=told)), through_queue=through_queue)
    assert outcome.failure == failure(code, retryable=retryable)
    assert outcome.tokens == 42, "a failure costs, too"


def test_an_outcome_is_a_sample_or_a_failure() -> None:
    with pytest.raises(ValidationError):
        Outcome()
    with pytest.raises(ValidationError):
        Outcome(sample=sample(), failure=failure("a"))
    assert Choice.model_validate(sample()).no_pair is None
