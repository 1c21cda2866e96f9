"""What finished requests keep is removed many at a time, and all of it at the end."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.client.forgetting import Forgetting
from shared.queue.broker import Broker
from shared.queue.keys import QueueKeys
from tests.support.waiting import until


class Noting(Broker):
    """Notes what is to be forgotten, and may be away."""

    def __init__(self, *, away: bool = False) -> None:
        self.keys = QueueKeys("greetings")
        self.away = away
        self.calls: list[tuple[str, ...]] = []

    async def forget(self, *requests: str) -> None:
        self.calls.append(requests)
        await asyncio.sleep(0)
        if self.away:
            raise RedisConnectionError("away")


async def test_requests_that_end_at_about_the_same_time_are_removed_in_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.client.forgetting.FORGET_AFTER_SECONDS", 0.01)
    broker = Noting()
    forgetting = Forgetting(broker)
    for request in ("a", "b", "c"):
        forgetting.add(request)
    await until(lambda: bool(broker.calls))
    assert broker.calls == [("a", "b", "c")]
    await until(lambda: forgetting._task is None)
    forgetting.add("d")  # after a pause a new collection begins
    await until(lambda: len(broker.calls) == 2)
    await forgetting.aclose()
    assert broker.calls == [("a", "b", "c"), ("d",)]


async def test_what_ends_while_others_are_removed_is_removed_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.client.forgetting.FORGET_AFTER_SECONDS", 0.01)
    late = ["b"]

    class Slow(Noting):
        async def forget(self, *requests: str) -> None:
            await super().forget(*requests)
            while late:
                forgetting.add(late.pop())

    broker = Slow()
    forgetting = Forgetting(broker)
    forgetting.add("a")
    await until(lambda: len(broker.calls) == 2)
    await forgetting.aclose()
    assert broker.calls == [("a",), ("b",)]


@pytest.mark.parametrize("away", [False, True])
async def test_the_end_removes_at_once_what_is_left_and_waits_for_no_redis_that_is_away(away: bool) -> None:
    broker = Noting(away=away)
    forgetting = Forgetting(broker)
    forgetting.add("a")
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await forgetting.aclose()
        await forgetting.aclose()
    assert broker.calls == [("a",)]
