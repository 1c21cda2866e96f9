"""A model that leans to one label whatever it reads: what it leans to is measured once, and not in the rewards."""

from __future__ import annotations

import pytest

from services.judge.calibration import MAX_EXAMPLES
from tests.support.judge import (
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    Counters,
    StartJudge,
    Taste,
    asked,
    failure_code,
    greeting,
    messages_of,
    power_of,
    sigmoid,
    spent,
)
from tests.support.llm_server import LlmServer, Reply, failing
from tests.support.processes import RedisServer

LEANING = 3.0


def test_what_a_model_leans_to_is_taken_out_and_measured_once(
    redis_server: RedisServer, start_judge: StartJudge, llm: LlmServer
) -> None:
    llm.script(Taste(leaning=LEANING))
    judge = start_judge(llm, redis_server, calibrate=True)
    judge.wait_until()
    rollouts = [greeting(number, power) for number, power in enumerate((-4, -2, 0, 1, 3))]
    scores = asked(judge, *rollouts)
    for rollout, score in zip(rollouts, scores, strict=True):
        assert score.reward == pytest.approx(sigmoid(power_of(rollout.completion)), abs=1e-6)
        assert score.components["calibration"] == pytest.approx(LEANING, abs=1e-6)
        assert score.components["log_odds"] == pytest.approx(power_of(rollout.completion), abs=1e-6)
    count = len(rollouts) + MAX_EXAMPLES
    assert len(llm.requests) == count
    assert len({tuple(messages_of(question.body)[:-1]) for question in llm.requests}) == 1
    assert spent(scores) == (count * PROMPT_TOKENS, count * COMPLETION_TOKENS), "told once, by who asked"
    assert judge.metrics()['zhufu_judge_example_auc{model="test-model"}'] == 0.5

    again = asked(judge, *rollouts)
    assert [score.reward for score in again] == [score.reward for score in scores]
    assert all(score.cached for score in again)
    assert len(llm.requests) == count

    # The prompt of a second sample has a leaning of its own; where it cannot be measured, there is no reward.
    def no_examples(body: object) -> Reply:
        return Taste(leaning=LEANING)(body) if "力" in messages_of(body)[-1] else failing(500)

    llm.script(no_examples)
    counters = Counters(judge)
    assert [failure_code(score) for score in asked(judge, *rollouts, samples=2)] == ["llm_server_error"] * len(rollouts)
    assert counters.risen("zhufu_reward_count") == 0
    llm.script(Taste(leaning=LEANING))
    assert [score.reward for score in asked(judge, *rollouts, samples=2)] == pytest.approx(
        [score.reward for score in scores], abs=1e-6
    )
