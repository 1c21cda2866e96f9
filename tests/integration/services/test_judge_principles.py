"""Principles changed at run time: through one replica, in force in all of them, and every score names its own."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from services.judge.principles import find_principles
from shared.principles import MAX_RULES, Principles
from tests.support.judge import (
    Counters,
    StartJudge,
    asked,
    called,
    ended,
    greeting,
    judge_service,
    labelled,
    messages_of,
)
from tests.support.llm_server import LlmServer, Reply
from tests.support.processes import RedisServer, Service
from tests.support.waiting import until

KEY = "a-key-for-tests"
Replicas = tuple[Service, Service]
SHIPPED = find_principles("greetings-v1")
SOON_SECONDS = 4.0
"""A second and a bit is what a replica needs; the machine may be busy with other things."""


@pytest.fixture(scope="module")
def judges(
    shared_llm: LlmServer, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("judges")
    first, second = (
        judge_service(folder / f"judge-{number}.log", shared_llm, redis_server, api_keys=KEY) for number in range(2)
    )
    with ended(first, second):
        first.wait_until()
        second.wait_until()
        yield first, second


@pytest.fixture
async def both(judges: Replicas, redis_server: RedisServer, shared_llm: LlmServer) -> Replicas:
    """Two judges, the shipped principles in force in both."""
    shared_llm.requests.clear()
    shared_llm.script(by_rules)
    assert put(judges[0], "greetings-v1") == 200
    await until(lambda: SHIPPED.version in version_of(judges[1]))
    return judges


def by_rules(body: Any) -> Reply:
    """Another reward where other rules are shown."""
    return labelled(0.9 if "只看押韵" in messages_of(body)[0] else 0.6)


def own(**changes: Any) -> Principles:
    """Principles that no other test has."""
    name = f"own-{uuid.uuid4().hex[:8]}"
    return Principles.model_validate(
        {"id": name, "obtained": "为测试而写", "rules": [f"只看押韵（{name}）。"], **changes}
    )


def publish(service: Service, principles: Principles | dict[str, Any], *, activate: bool = True) -> tuple[int, Any]:
    document = principles.model_dump() if isinstance(principles, Principles) else principles
    body = json.dumps({"principles": document, "activate": activate})
    status, answer = called(service, "POST", "/v1/principles", body, KEY)
    return status, json.loads(answer)


def put(service: Service, name: str) -> int:
    return called(service, "PUT", "/v1/principles", json.dumps({"principles": name}), KEY)[0]


def listed(service: Service) -> list[str]:
    answer = json.loads(called(service, "GET", "/v1/principles", key=KEY)[1])
    return [each["id"] for each in answer["principles"]]


def version_of(service: Service) -> str:
    """Of the reward, by its own word; to ask for it changes nothing."""
    return str(json.loads(called(service, "GET", "/v1/reward", key=KEY)[1])["version"])


async def test_what_is_published_in_one_replica_is_soon_in_force_in_the_other_and_named_by_every_score(
    both: Replicas, shared_llm: LlmServer
) -> None:
    new = own()
    begun = time.monotonic()
    status, answer = publish(both[0], new)
    assert (status, answer) == (200, {"id": new.id, "version": new.version})
    assert f"@{new.version}/" in version_of(both[0])
    await until(lambda: f"@{new.version}/" in version_of(both[1]))
    assert time.monotonic() - begun < SOON_SECONDS
    for replica in both:
        (score,) = asked(replica, greeting(1), key=KEY)
        assert f"@{new.version}/" in score.version
        assert score.reward == pytest.approx(0.9, abs=0.01)
        assert replica.metrics()[f'zhufu_judge_principles_info{{version="{new.version}"}}'] == 1
    assert all(new.numbered in messages_of(question.body)[0] for question in shared_llm.requests)


async def test_an_answer_by_other_principles_is_not_taken_from_the_cache(both: Replicas, shared_llm: LlmServer) -> None:
    (before,) = asked(both[0], greeting(1), key=KEY)
    publish(both[0], own())
    (after,) = asked(both[0], greeting(1), key=KEY)
    assert before.reward == pytest.approx(0.6, abs=0.01)
    assert after.reward == pytest.approx(0.9, abs=0.01)
    assert not after.cached
    assert put(both[0], "greetings-v1") == 200
    (again,) = asked(both[0], greeting(1), key=KEY)
    assert (again.reward, again.version, again.cached) == (before.reward, before.version, True)


async def test_every_score_is_by_the_principles_that_it_names_while_they_change(both: Replicas) -> None:
    new = own()
    publish(both[0], new, activate=False)
    await until(lambda: new.id in listed(both[1]))
    stop = asyncio.Event()
    rewards: dict[str, set[float]] = {}

    async def keep_scoring(replica: Service) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            rollouts = [greeting(number, id=str(each)) for each in range(4)]
            for score in await asyncio.to_thread(asked, replica, *rollouts, key=KEY):
                assert score.reward is not None, score.error
                rewards.setdefault(score.version.partition("@")[2].partition("/")[0], set()).add(round(score.reward, 2))

    scoring = [asyncio.create_task(keep_scoring(replica)) for replica in both]
    for name, replica in ((new.id, both[1]), (SHIPPED.id, both[0]), (new.version, both[0])):
        assert await asyncio.to_thread(put, replica, name) == 200
        await until(lambda name=name: all(name in version_of(each) for each in both))  # type: ignore[misc]
    stop.set()
    await asyncio.gather(*scoring)
    assert rewards == {SHIPPED.version: {0.6}, new.version: {0.9}}


async def test_what_one_replica_only_made_known_the_other_can_name_and_put_in_force(both: Replicas) -> None:
    new = own()
    status, answer = publish(both[0], new, activate=False)
    assert (status, answer["id"]) == (200, "greetings-v1")
    await until(lambda: new.id in listed(both[1]))
    (score,) = asked(both[1], greeting(1), key=KEY, principles=new.id)
    assert f"@{new.version}/" in score.version
    (score,) = asked(both[1], greeting(1), key=KEY)
    assert f"@{SHIPPED.version}/" in score.version
    assert put(both[1], new.version) == 200
    await until(lambda: new.version in version_of(both[0]))


async def test_a_replica_hears_what_can_be_named_though_nobody_asks_it_anything(both: Replicas) -> None:
    new = own()
    publish(both[0], new, activate=False)
    await asyncio.sleep(2.2)
    (score,) = asked(both[1], greeting(1), key=KEY, principles=new.id)
    assert f"@{new.version}/" in score.version


async def test_an_id_stands_for_one_text_in_the_whole_fleet(both: Replicas) -> None:
    """Also where the other replica has not heard of it yet."""
    new = own()
    assert publish(both[0], new)[0] == 200
    other = new.model_copy(update={"rules": ["只看长短。"]})
    for replica in (both[1], both[0]):
        status, problem = publish(replica, other)
        assert (status, problem["code"]) == (422, "invalid_request")
    await until(lambda: new.version in version_of(both[1]))
    assert publish(both[1], new.model_copy(update={"measured": {"agreement": 0.9}}))[0] == 200


@pytest.mark.parametrize(
    "document",
    [
        {"id": "own-x", "obtained": "手写", "rules": [f"第{number}条。" for number in range(MAX_RULES + 1)]},
        {"id": "own-x", "obtained": "手写", "rules": []},
        {"id": "own-x", "obtained": "手写", "rules": ["长" * 301]},
        {"id": "own-x", "obtained": "手写", "rules": ["同一条。", "同一条。"]},
        {"id": "own-x", "obtained": "手写", "rules": ["两行。\n两行。"]},
        {"id": "Own X", "obtained": "手写", "rules": ["得体。"]},
        {"id": "own-x", "rules": ["得体。"]},
        {"id": "greetings-v1", "obtained": "手写", "rules": ["得体。"]},
    ],
)
async def test_principles_that_break_the_schema_are_refused_and_change_nothing(
    both: Replicas, document: dict[str, Any]
) -> None:
    status, problem = publish(both[0], document)
    assert (status, problem["code"]) == (422, "invalid_request")
    assert SHIPPED.version in version_of(both[0])
    assert "own-x" not in listed(both[0])


@pytest.mark.parametrize("name", ["unknown", "greetings-v1#00000000"])
async def test_unknown_principles_cannot_be_put_in_force(both: Replicas, name: str) -> None:
    assert put(both[0], name) == 422
    assert SHIPPED.version in version_of(both[0])


async def test_a_replica_that_starts_later_judges_by_what_is_in_force(
    both: Replicas, redis_server: RedisServer, shared_llm: LlmServer, start_judge: StartJudge
) -> None:
    new = own()
    publish(both[0], new)
    late = start_judge(shared_llm, redis_server)
    late.wait_until()
    counters = Counters(late)
    (score,) = asked(late, greeting(1))
    assert f"@{new.version}/" in score.version
    assert counters.risen("zhufu_score_requests_total", status="scored") == 1


async def test_a_document_that_cannot_be_read_is_passed_over(both: Replicas, redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.hset("zhufu:{judge}:principles", mapping={"document:broken": "{", "active": "broken"})
    both[1].wait_for_event(event="principles_unreadable", id="broken")
    (score,) = asked(both[1], greeting(1), key=KEY)
    assert f"@{SHIPPED.version}/" in score.version
