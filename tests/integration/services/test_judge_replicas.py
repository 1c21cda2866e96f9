"""Two judges that share a Redis: each question is asked once, and members of a group meet wherever they came in."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from shared.client import RewardClient
from shared.schemas import Rollout, Score, Usage
from tests.support.judge import (
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    Counters,
    Taste,
    asked,
    chances,
    ended,
    failure_code,
    greeting,
    is_comparison,
    judge_service,
    judged,
    power_of,
    reward_of,
    sigmoid,
    spent,
)
from tests.support.llm_server import LlmServer, Reply, failing
from tests.support.processes import RedisServer, Service
from tests.support.waiting import GENEROUS_SECONDS

Replicas = tuple[Service, Service]
GROUP_WAIT_SECONDS = 1.0


@pytest.fixture(scope="module")
def both(
    shared_llm: LlmServer, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    """Two judges for all tests of this file; Redis is emptied in between."""
    folder = tmp_path_factory.mktemp("judges")
    first, second = (
        judge_service(
            folder / f"judge-{number}.log",
            shared_llm,
            redis_server,
            group_wait_seconds=GROUP_WAIT_SECONDS,
            retry_wait_seconds=0.05,
        )
        for number in range(2)
    )
    with ended(first, second):
        first.wait_until()
        second.wait_until()
        yield first, second


@pytest.fixture
def model(shared_llm: LlmServer) -> LlmServer:
    """The model, asked nothing yet."""
    shared_llm.requests.clear()
    shared_llm.script(Taste())
    return shared_llm


def queue(redis: RedisServer) -> RewardClient:
    return RewardClient.from_url(f"{redis.url}?reward=judge", timeout_seconds=GENEROUS_SECONDS)


async def at_once(*requests: tuple[Service, list[Rollout]], **options: Any) -> list[list[Score]]:
    """Requests to replicas over HTTP at the same time."""
    return await asyncio.gather(
        *(asyncio.to_thread(asked, service, *rollouts, **options) for service, rollouts in requests)
    )


def questions(model: LlmServer) -> Counter[str]:
    """How often each question was asked."""
    return Counter(json.dumps(question.body, sort_keys=True) for question in model.requests)


def group_of(*powers: int) -> list[Rollout]:
    """Of a name and a prompt that no other group has: none of its questions was asked before."""
    group = uuid.uuid4().hex
    same: dict[str, Any] = {"group": group, "prompt": f"给{group}的祝福", "metadata": {"group_size": len(powers)}}
    return [greeting(number, power, id=f"{group}-{number}", **same) for number, power in enumerate(powers)]


# The same question once


@pytest.mark.parametrize("mode", ["logprob", "verdict"])
def test_a_second_pass_over_the_same_rollouts_asks_nothing_whichever_replica_it_comes_to(
    redis_server: RedisServer, both: Replicas, model: LlmServer, mode: str
) -> None:
    if mode == "verdict":
        model.replies(judged(1))
    rollouts = [greeting(number, number % 5) for number in range(20)]
    first = asked(both[0], *rollouts, mode=mode)
    assert len(model.requests) == 20
    assert not any(score.cached for score in first)
    assert spent(first) == (20 * PROMPT_TOKENS, 20 * COMPLETION_TOKENS)
    counters = Counters(*both)
    for replica in both:
        again = asked(
            replica, *(rollout.model_copy(update={"id": f"又{rollout.id}"}) for rollout in rollouts), mode=mode
        )
        assert [score.reward for score in again] == [score.reward for score in first]
        assert all(score.cached for score in again)
        assert spent(again) == (0, 0)
    assert len(model.requests) == 20
    assert counters.tokens() == (0, 0)
    assert counters.risen("zhufu_cache_requests_total", result="hit") == 40


def test_another_text_mode_or_number_of_samples_is_another_question(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    asked(both[0], greeting(1))
    changes: list[tuple[Rollout, dict[str, Any]]] = [
        (greeting(2), {}),
        (greeting(1, prompt="给外公的八十岁生日祝福"), {}),
        (greeting(1), {"samples": 2}),
    ]
    for rollout, options in changes:
        before = len(model.requests)
        (score,) = asked(both[0], rollout, **options)
        assert len(model.requests) == before + 1, "of two samples, the first was known"
        assert not score.cached
    assert set(questions(model).values()) == {1}


async def test_the_same_question_asked_at_once_by_many_in_two_replicas_is_asked_once(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    model.script(Taste(delay_seconds=0.3))
    alike = [[greeting(7, 2, id=f"{replica}-{number}") for number in range(40)] for replica in range(2)]
    scores = [score for part in await at_once(*zip(both, alike, strict=True)) for score in part]
    assert len(model.requests) == 1
    assert [reward_of(score) for score in scores] == [pytest.approx(sigmoid(2))] * 80
    assert Counter(score.cached for score in scores) == {True: 79, False: 1}
    assert spent(scores) == (PROMPT_TOKENS, COMPLETION_TOKENS)


async def test_who_waits_for_an_answer_that_another_replica_fails_to_get_fails_with_it(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    model.replies(failing(400, delay_seconds=0.5))
    one = [[greeting(7, id=str(replica))] for replica in range(2)]
    scores = [score for part in await at_once(*zip(both, one, strict=True)) for score in part]
    assert [failure_code(score) for score in scores] == ["llm_rejected"] * 2
    assert len(model.requests) == 1
    model.script(Taste())
    (score,) = asked(both[0], greeting(7))
    assert score.reward == pytest.approx(0.5), "nothing that failed is kept"


async def test_the_queue_gives_the_same_rewards_as_http(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    rollouts = [greeting(number, number % 7 - 3) for number in range(30)]
    async with queue(redis_server) as client:
        queued = await client.score(rollouts)
    direct = asked(both[0], *rollouts)
    assert [reward_of(score) for score in queued] == [reward_of(score) for score in direct]
    assert all(score.cached for score in direct)
    assert len(model.requests) == 30


async def test_an_option_that_is_not_taken_fails_its_rollouts_in_the_queue(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    async with queue(redis_server) as client:
        (score,) = await client.score([greeting(1)], {"principles": "unknown"})
    assert failure_code(score) == "invalid_request"
    assert not model.requests


# Groups


async def test_members_split_between_replicas_are_compared_as_one_group(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    model.script(Taste(bias=[5.0, 0.0, 0.0, -2.0]))
    powers = (0, 1, 2, 4)
    members = group_of(*powers)
    first, second = await at_once((both[0], members[:2]), (both[1], members[2:]), mode="group")
    assert [reward_of(score) for score in first + second] == pytest.approx(chances(powers), abs=1e-6)
    assert {score.components["members"] for score in first + second} == {4}
    assert set(questions(model).values()) == {1}, "both replicas compare, and each question is asked once"
    assert len(model.requests) == 4
    assert spent(first + second) == (4 * PROMPT_TOKENS, 4 * COMPLETION_TOKENS)


async def test_groups_that_come_through_the_queue_are_whole_however_their_members_are_dealt_out(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    model.script(Taste(bias=[3.0, 0.0]))
    counters = Counters(*both)
    groups: list[list[Rollout]] = []
    scores: list[Score] = []
    async with asyncio.timeout(GENEROUS_SECONDS), queue(redis_server) as client:
        # Each member by itself, until Redis has dealt a group out to both replicas: then both have compared it.
        while counters.risen("zhufu_judge_groups_total", outcome="complete") <= len(groups):
            new = [group_of(*(power % 5 for power in range(first, first + 4))) for first in range(7)]
            groups += new
            members = [member for row in zip(*new, strict=True) for member in row]
            for (score,) in await asyncio.gather(*(client.score([each], {"mode": "group"}) for each in members)):
                scores.append(score)
    rewards = {score.id: reward_of(score) for score in scores}
    for group in groups:
        wanted = chances([power_of(member.completion) for member in group])
        assert [rewards[member.id] for member in group] == pytest.approx(wanted, abs=1e-6)
    assert set(questions(model).values()) == {1}
    assert len(model.requests) == 4 * len(groups)
    assert counters.risen("zhufu_judge_groups_total", outcome="incomplete") == 0
    assert spent(scores) == (len(model.requests) * PROMPT_TOKENS, len(model.requests) * COMPLETION_TOKENS)


async def test_where_a_member_is_missing_both_replicas_compare_the_same_who_came(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    powers = (0, 3, 1)
    *members, _ = group_of(*powers, 9)
    first, second = await at_once((both[0], members[:1]), (both[1], members[1:]), mode="group")
    assert [reward_of(score) for score in first + second] == pytest.approx(chances(powers), abs=1e-6)
    assert {score.components["members"] for score in first + second} == {3}


async def test_a_member_that_comes_too_late_fails_in_either_replica_and_the_others_keep_their_rewards(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    *members, late = group_of(0, 3, 1)
    first, second = await at_once((both[0], members[:1]), (both[1], members[1:]), mode="group")
    for replica in both:
        (failed,) = asked(replica, late, mode="group")
        assert failure_code(failed) == "group_closed"
        again = asked(replica, *members, mode="group")
        assert [score.reward for score in again] == [score.reward for score in first + second]
        assert all(score.cached for score in again)
        assert all(score.usage == Usage() for score in again)


async def test_a_group_that_one_replica_could_not_compare_fails_with_one_code_in_both(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    model.replies(failing(400))
    members = group_of(0, 1, 2, 4)
    first, second = await at_once((both[0], members[:2]), (both[1], members[2:]), mode="group")
    assert [failure_code(score) for score in first + second] == ["llm_rejected"] * 4


async def test_what_a_retry_in_the_queue_finds_is_the_same_group(
    redis_server: RedisServer, both: Replicas, model: LlmServer
) -> None:
    """A failure that passes: all members are tried again, after their group has closed."""
    broken = [True] * 4

    def script(body: Any) -> Reply:
        assert is_comparison(body)
        return failing(503) if broken and broken.pop() else Taste()(body)

    model.script(script)
    powers = (0, 1, 2, 4)
    async with queue(redis_server) as client:
        scores = await client.score(group_of(*powers), {"mode": "group"})
    assert [reward_of(score) for score in scores] == pytest.approx(chances(powers), abs=1e-6)
    with redis_server.client() as client_:
        assert client_.keys("zhufu:{judge}:dead") == []
