"""`QueueRewardClient` where a real Redis cannot be made to fail at the right moment: a broker in memory that does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.client.queue import ENQUEUE_BATCH, QueueRewardClient
from shared.queue.broker import Broker
from shared.queue.keys import QueueKeys
from shared.queue.messages import QueuedResults, QueuedRollout
from shared.schemas import Score
from tests.support.greetings import rollouts
from tests.support.waiting import GENEROUS_SECONDS


class MemoryBroker(Broker):
    """Takes rollouts and, once `answering`, scores them."""

    def __init__(self) -> None:
        self.keys = QueueKeys("greetings")
        self.known: dict[str, str] = {}
        self.answering = True
        self.calls = 0

    async def enqueue(self, request: str, payloads: Sequence[tuple[str, str]], *, max_length: int, left_ms: int) -> int:
        self.calls += 1
        self.known.update(payloads)
        await asyncio.sleep(0)
        return len(payloads)

    async def enqueued(self, request: str) -> int:
        return len(self.known)

    async def read_results(self, request: str, after: str, count: int) -> list[tuple[str, bytes]]:
        await asyncio.sleep(0.001)
        if not self.answering:
            return []
        ids = [QueuedRollout.model_validate_json(payload).rollout.id for payload in self.known.values()]
        scores = [Score(id=each, status="scored", reward=0.5, version="v", latency_seconds=0) for each in ids]
        return [("1-0", QueuedResults(scores=scores).model_dump_json().encode())]

    async def enqueue_and_read(
        self, request: str, payloads: Sequence[tuple[str, str]], *, max_length: int, left_ms: int, count: int
    ) -> tuple[int, list[tuple[str, bytes]]]:
        raise RedisConnectionError("lost")

    async def forget(self, *requests: str) -> None: ...

    async def aclose(self) -> None: ...


async def score(broker: MemoryBroker, count: int) -> list[Score]:
    client = QueueRewardClient("redis://127.0.0.1:1/0", "greetings", timeout_seconds=GENEROUS_SECONDS)
    client._broker = broker
    async with asyncio.timeout(2 * GENEROUS_SECONDS):
        return await client.score(rollouts(count))


async def test_a_call_returns_though_redis_py_drops_its_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.tasks.CANCEL_AGAIN_SECONDS", 0.02)

    class Deaf(MemoryBroker):
        dropped = 0

        async def enqueue(
            self, request: str, payloads: Sequence[tuple[str, str]], *, max_length: int, left_ms: int
        ) -> int:
            self.known.update(payloads)
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                if self.dropped:
                    raise
                self.dropped += 1
            return len(payloads)

    broker = Deaf()
    assert [each.status for each in await score(broker, 3)] == ["scored"] * 3
    assert broker.dropped == 1


async def test_data_that_redis_loses_while_rollouts_are_added_are_noticed_and_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.client.queue.RESTORE_INTERVAL_SECONDS", 0.05)

    class Forgetful(MemoryBroker):
        async def enqueue(
            self, request: str, payloads: Sequence[tuple[str, str]], *, max_length: int, left_ms: int
        ) -> int:
            if self.calls == 2:
                self.known.clear()
            self.answering = self.calls >= 5
            return await super().enqueue(request, payloads, max_length=max_length, left_ms=left_ms)

    broker = Forgetful()
    broker.answering = False
    scores = await score(broker, 3 * ENQUEUE_BATCH)
    assert len(scores) == 3 * ENQUEUE_BATCH
    assert {each.status for each in scores} == {"scored"}


async def test_what_redis_still_knows_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.client.queue.RESTORE_INTERVAL_SECONDS", 0.01)
    broker = MemoryBroker()
    broker.answering = False

    async def answer_later() -> None:
        await asyncio.sleep(0.3)
        broker.answering = True

    await asyncio.gather(score(broker, 3 * ENQUEUE_BATCH), answer_later())
    assert broker.calls == 3
