"""`QueueRewardClient` where Redis or the scoring processes are away, and with more calls than connections."""

from __future__ import annotations

import asyncio

import pytest

from shared.client import RewardClient
from shared.errors import RewardProtocolError, RewardRejected, RewardUnavailable
from tests.conftest import StartService
from tests.support.greetings import rollouts
from tests.support.processes import RedisServer, free_port
from tests.support.queues import KEYS, assert_all_scored, length_of, queue_of, waiting_in
from tests.support.waiting import until


def url_of(redis: RedisServer) -> str:
    return f"{redis.url}?reward={KEYS.reward}"


async def test_a_redis_that_never_answers_is_unavailable_not_a_score() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0?reward={KEYS.reward}"
    async with RewardClient.from_url(url, timeout_seconds=1.0) as client:
        with pytest.raises(RewardUnavailable, match="Redis does not answer"):
            await client.score(rollouts(3))
        with pytest.raises(RewardUnavailable, match="Redis does not answer"):
            await client.info()


async def test_a_redis_that_listens_and_never_answers_is_called_so() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        url = f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}/0?reward={KEYS.reward}"
        async with RewardClient.from_url(url, timeout_seconds=1.0) as client:
            with pytest.raises(RewardUnavailable, match="Redis does not answer"):
                await client.score(rollouts(3))


async def test_it_waits_for_a_redis_that_comes_up_later(start_service: StartService, own_redis: RedisServer) -> None:
    own_redis.stop()
    async with RewardClient.from_url(url_of(own_redis)) as client:
        scoring = asyncio.create_task(client.score(rollouts(30)))
        await asyncio.sleep(0.5)
        own_redis.start()
        start_service(redis=own_redis)
        assert_all_scored(rollouts(30), await scoring)


async def test_without_a_scoring_process_there_is_no_info(redis_server: RedisServer) -> None:
    async with RewardClient.from_url(url_of(redis_server), timeout_seconds=0.5) as client:
        with pytest.raises(RewardUnavailable, match="no process serves this reward"):
            await client.info()


async def test_info_is_what_the_scoring_process_says(start_service: StartService, redis_server: RedisServer) -> None:
    start_service(redis=redis_server).wait_until()
    async with RewardClient.from_url(url_of(redis_server)) as client:
        info = await client.info()
    assert (info.name, info.version, info.range.minimum) == ("greetings", "greetings@test-1", 0.0)


async def test_an_info_that_cannot_be_read_breaks_the_contract(redis_server: RedisServer) -> None:
    with redis_server.client() as admin:
        admin.set(KEYS.info, "{}", ex=60)
    async with RewardClient.from_url(url_of(redis_server)) as client:
        with pytest.raises(RewardProtocolError):
            await client.info()


async def test_a_result_that_cannot_be_read_breaks_the_contract(redis_server: RedisServer) -> None:
    async with queue_of(redis_server) as client:
        scoring = asyncio.create_task(client.score(rollouts(1)))
        await until(lambda: length_of(redis_server) == 1)
        with redis_server.client() as admin:
            for key in admin.scan_iter("*:enqueued:*"):
                results = str(key).replace(":enqueued:", ":results:")
                admin.xadd(results, {"data": '{"score": {"id": "贺0", "status": "scored", "reward": null}}'})
        with pytest.raises(RewardProtocolError):
            await scoring
    with redis_server.client() as admin:
        admin.delete(KEYS.rollouts)


@pytest.mark.parametrize("password", ["", ":wrong-one@"])
async def test_credentials_that_redis_refuses_are_refused_for_good(password: str, own_redis: RedisServer) -> None:
    with own_redis.client() as admin:
        admin.config_set("requirepass", "the-right-one")
        try:
            url = url_of(own_redis).replace("redis://", f"redis://{password}")
            async with RewardClient.from_url(url) as client:
                with pytest.raises(RewardRejected) as caught:
                    await client.score(rollouts(1))
                assert "wrong-one" not in str(caught.value)
                with pytest.raises(RewardRejected):
                    await client.info()
        finally:
            admin.config_set("requirepass", "")


async def test_a_queue_that_stays_full_is_unavailable(redis_server: RedisServer) -> None:
    with redis_server.client() as admin:
        for _ in range(5):
            admin.xadd(KEYS.rollouts, {"data": "of others", "deadline": "0"})
        async with queue_of(redis_server, timeout_seconds=1.0, max_queued_rollouts=5) as client:
            with pytest.raises(RewardUnavailable, match="the queue is full"):
                await client.score(rollouts(3))
        assert len(waiting_in(redis_server)) == 5
        admin.delete(KEYS.rollouts)


async def test_more_calls_at_once_than_connections_are_all_answered(
    start_service: StartService, redis_server: RedisServer
) -> None:
    start_service(redis=redis_server).wait_until()
    asked = rollouts(400)
    async with queue_of(redis_server) as client:
        answers = await asyncio.gather(*(client.score([each]) for each in asked))
    assert_all_scored(asked, [score for scores in answers for score in scores])


async def test_a_finished_request_leaves_nothing_in_redis(
    start_service: StartService, redis_server: RedisServer
) -> None:
    start_service(redis=redis_server).wait_until()
    async with queue_of(redis_server) as client:
        await client.score(rollouts(100))
    with redis_server.client() as admin:
        assert set(admin.scan_iter()) == {KEYS.rollouts, KEYS.info}
