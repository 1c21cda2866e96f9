"""Redis goes away, a judge is killed in the middle: typed failures, one result each, nothing paid for twice."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections import Counter
from typing import Any

import pytest

from shared.client import RewardClient
from tests.support.judge import (
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    StartJudge,
    Taste,
    asked,
    called,
    chances,
    failure_code,
    greeting,
    messages_of,
    power_of,
    reward_of,
    shown_in,
    sigmoid,
    spent,
)
from tests.support.llm_server import LlmServer, Reply, hangs
from tests.support.processes import RedisServer
from tests.support.queues import assert_all_scored
from tests.support.waiting import GENEROUS_SECONDS, until

NOT_LONG = 15.0
"""Less than it takes to run into any time limit of a whole score."""


async def test_without_redis_all_that_needs_it_fails_with_its_code_and_goes_on_when_it_is_back(
    own_redis: RedisServer, start_judge: StartJudge, llm: LlmServer
) -> None:
    llm.script(Taste())
    judge = start_judge(llm, own_redis, llm_requests_per_minute=1000)
    judge.wait_until()
    (before,) = asked(judge, greeting(1, 2))
    own_redis.kill()
    async with asyncio.timeout(NOT_LONG):
        scores = await asyncio.to_thread(asked, judge, greeting(1, 2), greeting(2))
        assert [failure_code(score) for score in scores] == ["llm_limits_unavailable"] * 2
        assert all(score.error is not None and score.error.retryable for score in scores)
        members = [greeting(number, group="组") for number in range(2)]
        scores = await asyncio.to_thread(asked, judge, *members, mode="group", group_size=2)
        assert [failure_code(score) for score in scores] == ["group_unavailable"] * 2
    new = {"id": "own-v1", "obtained": "为测试而写", "rules": ["得体。"]}
    for method, body in (("POST", {"principles": new}), ("PUT", {"principles": "greetings-v1"})):
        status, problem = called(judge, method, "/v1/principles", json.dumps(body))
        assert (status, json.loads(problem)["code"]) == (503, "not_ready")
    assert called(judge, "GET", "/v1/principles")[0] == 200
    assert called(judge, "GET", "/readyz")[0] == 503
    assert called(judge, "GET", "/healthz")[0] == 200
    assert len(llm.requests) == 1, "a limit that is not known is not used"

    own_redis.start()
    judge.wait_until()
    scores = asked(judge, greeting(1, 2), greeting(2))
    assert [reward_of(score) for score in scores] == [before.reward, pytest.approx(0.5)]
    assert judge.running


async def test_a_judge_that_is_killed_in_the_middle_loses_no_rollout_and_pays_for_no_answer_twice(
    redis_server: RedisServer, start_judge: StartJudge, llm: LlmServer
) -> None:
    """Each rollout needs two answers. One has come and is in the cache, the other never comes; then the judge dies."""
    count = 30
    killed = threading.Event()
    answered: set[str] = set()

    def script(body: Any) -> Reply:
        text = messages_of(body)[-1]
        if not killed.is_set() and text in answered:
            return hangs()
        answered.add(text)
        return Taste()(body)

    llm.script(script)
    settings: dict[str, Any] = {
        "samples": 2,
        "lease_seconds": 1,
        "llm_max_in_flight": 2 * count,
        "retry_wait_seconds": 0.05,
    }
    rollouts = [greeting(number, number % 7 - 3) for number in range(count)]
    first = start_judge(llm, redis_server, **settings)
    first.wait_until()
    async with RewardClient.from_url(f"{redis_server.url}?reward=judge", timeout_seconds=GENEROUS_SECONDS) as client:
        scoring = asyncio.create_task(client.score(rollouts))
        with redis_server.client() as redis:
            await until(lambda: len(llm.requests) == 2 * count)
            await until(lambda: len(_answers(redis)) == count)
        first.kill()
        killed.set()
        start_judge(llm, redis_server, **settings)
        scores = await scoring
    assert_all_scored(rollouts, scores)
    for rollout, score in zip(rollouts, scores, strict=True):
        assert reward_of(score) == pytest.approx(sigmoid(power_of(rollout.completion)))
        assert score.components["votes"] == 2
        assert not score.cached
    assert spent(scores) == (count * PROMPT_TOKENS, count * COMPLETION_TOKENS), "of two answers one was paid for again"
    times_asked = Counter(json.dumps(question.body, sort_keys=True) for question in llm.requests)
    by_text: dict[str, list[int]] = {}
    for question, times in times_asked.items():
        by_text.setdefault(shown_in(json.loads(question))[0], []).append(times)
    assert len(by_text) == count
    assert all(sorted(times) == [1, 2] for times in by_text.values()), by_text
    with redis_server.client() as redis:
        assert redis.xlen("zhufu:{judge}:rollouts") == 0
        assert redis.exists("zhufu:{judge}:dead") == 0


def _answers(redis: Any) -> list[str]:
    """Of the keys under which answers are kept; locks and failures have a part more."""
    return [key for key in redis.scan_iter("zhufu:{judge}:llm:answer:*") if key.count(":") == 4]


async def test_of_two_replicas_the_one_that_is_left_takes_over_group_and_all(
    redis_server: RedisServer, start_judge: StartJudge, llm: LlmServer
) -> None:
    """The first replica is killed while its members wait for a comparison; the group stays the same."""
    release = threading.Event()
    llm.script(lambda body: Taste(bias=[3.0, 0.0])(body) if release.is_set() else hangs())
    settings: dict[str, Any] = {
        "mode": "group",
        "lease_seconds": 1,
        "retry_wait_seconds": 0.05,
        "group_wait_seconds": 30,
    }
    powers = (0, 1, 2, 4)
    rollouts = [
        greeting(number, power, group="组", metadata={"group_size": len(powers)}) for number, power in enumerate(powers)
    ]
    first = start_judge(llm, redis_server, **settings)
    first.wait_until()
    async with RewardClient.from_url(f"{redis_server.url}?reward=judge", timeout_seconds=GENEROUS_SECONDS) as client:
        scoring = asyncio.create_task(client.score(rollouts))
        await until(lambda: len(llm.requests) == len(powers))
        second = start_judge(llm, redis_server, **settings)
        second.wait_until()
        first.send(signal.SIGKILL)
        release.set()
        scores = await scoring
    assert_all_scored(rollouts, scores)
    assert [reward_of(score) for score in scores] == pytest.approx(chances(powers), abs=1e-6)
    assert {score.components["members"] for score in scores} == {4}
    assert len(llm.requests) == 2 * len(powers)
