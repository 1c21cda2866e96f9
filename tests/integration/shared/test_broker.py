"""The atomic steps of the queue on a real Redis, one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from shared.queue.broker import Broker, Completion, connect
from tests.support.processes import RedisServer
from tests.support.queues import KEYS, dead_letters_in, length_of

PAYLOADS = [(f"贺{number}", f"第{number}份") for number in range(6)]


@pytest.fixture
async def broker(redis_server: RedisServer) -> AsyncIterator[Broker]:
    broker = Broker(connect(redis_server.url), KEYS.reward)
    await broker.ensure_group()
    yield broker
    await broker.aclose()
    with redis_server.client() as client:
        client.delete(KEYS.rollouts)


async def add(broker: Broker, *numbers: int, request: str = "r1", max_length: int = 100, left_ms: int = 60_000) -> int:
    chosen = [PAYLOADS[number] for number in numbers]
    return await broker.enqueue(request, chosen, max_length=max_length, left_ms=left_ms)


def completion(entry: str, *, request: str | None = "r1", result: str = '"一分"', dead_letter: str = "") -> Completion:
    return Completion(entry=entry, request=request, result_ttl_ms=60_000, result=result, dead_letter=dead_letter)


async def results_of(broker: Broker, request: str) -> list[list[str]]:
    """What was saved, step by step."""
    return [json.loads(data)["scores"] for _, data in await broker.read_results(request, "0", 10)]


async def test_adding_again_adds_only_what_is_not_there(broker: Broker, redis_server: RedisServer) -> None:
    assert await add(broker, 0, 1, 2) == 3
    assert await add(broker, 0, 1, 2, 3) == 4
    assert length_of(redis_server) == 4
    assert await add(broker, 0, request="r2") == 1
    assert length_of(redis_server) == 5
    assert [await broker.enqueued(request) for request in ("r1", "r2", "r3")] == [4, 1, 0]


async def test_only_as_many_are_added_as_there_is_room_for_and_in_order(
    broker: Broker, redis_server: RedisServer
) -> None:
    assert await add(broker, 0, 1, 2, 3, max_length=2) == 2
    assert await add(broker, 0, 1, 2, 3, max_length=2) == 2
    assert await add(broker, 2, 3, max_length=3) == 1
    assert [entry.data.decode() for entry in await broker.read("c1", 10)] == ["第0份", "第1份", "第2份"]
    assert length_of(redis_server) == 3


async def test_adding_and_reading_in_one_call_brings_the_results_that_come_soon(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.queue.broker.FIRST_BLOCK_MS", 10_000)
    await add(broker, 5, request="before")  # whatever was called before: this Redis knows the script

    async def answer() -> None:
        while True:
            entries = await broker.read("c1", 10)
            await broker.complete([completion(entry.id) for entry in entries if entry.data.decode() != "第5份"])
            if len(entries) > 1:
                return

    adding = broker.enqueue_and_read("r1", PAYLOADS[:2], max_length=100, left_ms=60_000, count=16)
    (added, results), _ = await asyncio.gather(adding, answer())
    assert added == 2
    assert [json.loads(data)["scores"] for _, data in results] == [["一分", "一分"]]
    assert await broker.read_results("r1", results[-1][0], 16) == []


async def test_adding_and_reading_in_one_call_waits_a_moment_only_and_says_how_many_were_added(
    broker: Broker, redis_server: RedisServer
) -> None:
    await add(broker, 5, request="before")
    async with asyncio.timeout(10):
        answer = await broker.enqueue_and_read("r1", PAYLOADS[:3], max_length=3, left_ms=60_000, count=16)
    assert answer == (2, [])
    assert length_of(redis_server) == 3


async def test_a_redis_that_was_told_no_script_adds_nothing_in_one_call(
    broker: Broker, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        client.script_flush()
    with pytest.raises(NoScriptError):
        await broker.enqueue_and_read("r1", PAYLOADS[:3], max_length=9, left_ms=60_000, count=16)
    assert length_of(redis_server) == 0
    assert await add(broker, 0, 1, 2) == 3


async def test_an_entry_is_read_by_one_consumer_with_its_deadline(broker: Broker) -> None:
    await add(broker, 0, 1, 2)
    first, second = await broker.read("c1", 2), await broker.read("c2", 2)
    assert [entry.data.decode() for entry in [*first, *second]] == ["第0份", "第1份", "第2份"]
    assert 0 < first[0].left_ms <= 60_000
    await asyncio.sleep(0.05)
    await add(broker, 3, left_ms=30_000)
    later = await broker.take_over("c3", 40, 10), await broker.read("c3", 1)
    assert [[entry.data.decode() for entry in entries] for entries in later] == [["第0份", "第1份", "第2份"], ["第3份"]]
    for young, old in ((first[0], later[0][0]), (later[1][0], later[0][0])):
        assert old.age_ms >= young.age_ms + 40
        assert 0 <= young.age_ms < 10_000
    assert later[1][0].left_ms <= 30_000 < later[0][0].left_ms <= 60_000 - 40


async def test_completing_twice_saves_one_result(broker: Broker, redis_server: RedisServer) -> None:
    await add(broker, 0, 1)
    entries = await broker.read("c1", 10)
    assert await broker.complete([completion(entries[0].id), completion(entries[0].id, result='"二分"')]) == 1
    assert await broker.complete([completion(entries[0].id, result='"三分"'), completion(entries[1].id)]) == 1
    assert await results_of(broker, "r1") == [["一分"], ["一分"]]
    assert length_of(redis_server) == 0


async def test_results_of_several_requests_go_to_their_own_streams_and_have_a_ttl(
    broker: Broker, redis_server: RedisServer
) -> None:
    await add(broker, 0, request="r1")
    await add(broker, 1, request="r2")
    first, second = await broker.read("c1", 10)
    done = [completion(first.id, request="r1"), completion(second.id, request="r2", result='"二分"')]
    assert await broker.complete(done) == 2
    assert await results_of(broker, "r2") == [["二分"]]
    with redis_server.client() as client:
        assert 0 < client.pttl(KEYS.results("r1")) <= 60_000
        assert client.ttl(KEYS.enqueued("r1")) > 60


async def test_what_is_saved_in_one_step_is_one_entry_for_each_request(broker: Broker) -> None:
    await add(broker, 0, 1, 2, request="r1")
    await add(broker, 3, request="r2")
    entries = await broker.read("c1", 10)
    await broker.complete([completion(entries[1].id, result='"别人"')])
    done = [completion(entry.id, result=f'"{number}分"') for number, entry in enumerate(entries[:3])]
    done.append(completion(entries[3].id, request="r2"))
    assert await broker.complete(done) == 3
    assert await results_of(broker, "r1") == [["别人"], ["0分", "2分"]]
    assert await results_of(broker, "r2") == [["一分"]]


async def test_a_try_of_an_entry_that_is_completed_is_not_counted_for_nobody_would_forget_it(
    broker: Broker, redis_server: RedisServer
) -> None:
    await add(broker, 0, 1)
    slow, other = await broker.read("c1", 10)
    assert [entry.id for entry in await broker.take_over("c2", 0, 10)] == [slow.id, other.id]
    assert await broker.complete([completion(slow.id)]) == 1  # by the first, who was only slow
    for entry in (slow, other):
        await broker.count_repetition(entry.id)
    assert await broker.repetitions([slow.id, other.id]) == [0, 1]
    assert await broker.complete([completion(other.id)]) == 1
    with redis_server.client() as client:
        assert not client.exists(KEYS.repetitions)


async def test_a_dead_letter_is_kept_in_the_same_step_as_the_result(broker: Broker, redis_server: RedisServer) -> None:
    await add(broker, 0)
    (entry,) = await broker.read("c1", 10)
    await broker.count_repetition(entry.id)
    assert await broker.repetitions([entry.id, "9-9"]) == [1, 0]
    letter = (
        '{"entry": "1-0", "data": "", "attempts": 2, "version": "v",'
        ' "error": {"code": "c", "detail": "d", "retryable": false}}'
    )
    assert await broker.complete([completion(entry.id, dead_letter=letter)]) == 1
    assert await broker.complete([completion(entry.id, dead_letter=letter)]) == 0
    assert [letter.attempts for letter in dead_letters_in(redis_server)] == [2]
    assert await broker.repetitions([entry.id]) == [0]


async def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_is_told(broker: Broker) -> None:
    await add(broker, 0, 1)
    entries = [entry.id for entry in await broker.read("c1", 10)]
    assert await broker.take_over("c2", 60_000, 10) == []
    assert await broker.renew("c1", entries) == set()
    taken = await broker.take_over("c2", 0, 1)
    assert [entry.id for entry in taken] == entries[:1]
    assert await broker.renew("c1", entries) == {entries[0]}
    assert await broker.renew("c2", entries) == {entries[1]}


async def test_renewing_resets_the_time_after_which_others_take_over(broker: Broker) -> None:
    await add(broker, 0)
    (entry,) = await broker.read("c1", 10)
    await asyncio.sleep(0.5)
    assert await broker.renew("c1", [entry.id]) == set()
    assert await broker.take_over("c2", 500, 10) == []


async def test_what_is_completed_is_lost_for_its_holder(broker: Broker) -> None:
    await add(broker, 0)
    (entry,) = await broker.read("c1", 10)
    await broker.complete([completion(entry.id)])
    assert await broker.renew("c1", [entry.id]) == {entry.id}


async def test_released_leases_are_taken_over_at_once_and_their_consumer_is_then_removed(
    broker: Broker, redis_server: RedisServer
) -> None:
    await add(broker, 0, 1)
    await broker.read("c1", 10)
    await broker.release("c1", 60_000)
    taken = await broker.take_over("c2", 60_000, 10)
    assert [entry.data.decode() for entry in taken] == ["第0份", "第1份"]
    await broker.release("c1", 60_000)
    with redis_server.client() as client:
        assert [consumer["name"] for consumer in client.xinfo_consumers(KEYS.rollouts, "scorers")] == ["c2"]


async def test_consumers_silent_for_long_are_removed_unless_they_hold_something(
    broker: Broker, redis_server: RedisServer
) -> None:
    await add(broker, 0)
    await broker.read("holds", 10)
    with redis_server.client() as client:
        client.xgroup_createconsumer(KEYS.rollouts, "scorers", "idle")
    assert await broker.remove_idle_consumers(60_000) == 0
    await asyncio.sleep(0.05)
    assert await broker.remove_idle_consumers(10) == 1
    with redis_server.client() as client:
        assert [consumer["name"] for consumer in client.xinfo_consumers(KEYS.rollouts, "scorers")] == ["holds"]


async def test_forgetting_a_request_tells_scorers_that_nobody_waits(broker: Broker) -> None:
    await add(broker, 0)
    assert await broker.forgotten([]) == set()
    assert await broker.forgotten(["r1", "r2", "r1"]) == {"r2"}
    await broker.forget("r1")
    assert await broker.forgotten(["r1", "r2"]) == {"r1", "r2"}
    for request in ("r3", "r4", "r5"):
        await add(broker, 0, request=request)
    await broker.forget("r3", "r4")
    assert await broker.forgotten(["r3", "r4", "r5"]) == {"r3", "r4"}


async def test_the_state_is_length_and_age(broker: Broker) -> None:
    assert await broker.state() == (0, 0.0)
    await add(broker, 0, 1)
    await asyncio.sleep(1.2)
    length, age = await broker.state()
    assert length == 2
    assert 0 < age < 60


async def test_more_calls_than_connections_wait_for_one_and_do_not_fail(redis_server: RedisServer) -> None:
    broker = Broker(connect(redis_server.url, max_connections=4), KEYS.reward)
    answers = await asyncio.gather(*(broker.read_results(f"r{number}", "0", 1) for number in range(12)))
    assert answers == [[]] * 12
    await broker.aclose()


def test_under_uvloop_a_connection_that_was_closed_is_redis_being_away_and_is_opened_again(
    redis_server: RedisServer,
) -> None:
    async def ping_over_a_closed_connection() -> None:
        redis = connect(redis_server.url, max_connections=1)
        broker = Broker(redis, KEYS.reward)
        await broker.ping()
        pool: Any = redis.connection_pool
        connection = await pool.get_connection()
        connection._writer.transport.abort()  # as when the other side has reset it
        await pool.release(connection)
        await asyncio.sleep(0.05)
        assert connection.is_connected, "redis-py knows of it, and there is nothing to mend"
        with pytest.raises(RuntimeError, match="closed"):
            connection._writer.writelines([b"PING"])
        with pytest.raises(RedisConnectionError):
            await broker.ping()
        await broker.ping()
        await broker.aclose()

    uvloop.run(ping_over_a_closed_connection())
