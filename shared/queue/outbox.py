"""What is finished and not saved yet: results leave in large steps, and stay here while Redis is away."""

from __future__ import annotations

import asyncio
import collections
import itertools

from shared.metrics import ServiceMetrics
from shared.queue.broker import Broker, Completion
from shared.schemas import Rollout, Score

SAVE_BATCH = 256
"""Of one step; in Lua, it must be less than some thousands."""


class Outbox:
    """Completions on their way to Redis. Bounded by who adds to it: see `shared.queue.consumer`."""

    def __init__(self, broker: Broker, metrics: ServiceMetrics) -> None:
        self._broker = broker
        self._metrics = metrics
        self._finished: collections.deque[Completion] = collections.deque()
        self._unobserved: list[tuple[Score, Rollout]] = []
        self._any = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()

    def add(self, completion: Completion) -> None:
        """Save this."""
        self._finished.append(completion)
        self._any.set()
        self._none.clear()

    def observe(self, score: Score, rollout: Rollout) -> None:
        """Show this in the metrics, with all that came since the last step."""
        self._unobserved.append((score, rollout))

    async def save(self) -> list[Completion]:
        """Wait for something and save it, or as much as one step takes; returns what was saved.

        Raises:
            redis.exceptions.RedisError: Nothing was saved, or it was and is saved again, which changes nothing.
        """
        if not self._finished:
            self._none.set()
            self._any.clear()
            await self._any.wait()
        unobserved, self._unobserved = self._unobserved, []
        self._metrics.observe_scores(unobserved, door="queue")
        batch = list(itertools.islice(self._finished, SAVE_BATCH))
        await self._broker.complete(batch)
        for _ in batch:
            self._finished.popleft()
        return batch

    async def empty(self) -> None:
        """Return when all is saved; `save` must go on meanwhile."""
        await self._none.wait()
