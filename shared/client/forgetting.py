"""Removes from Redis what finished requests left there, many at a time: nobody waits for that, and each call costs."""

from __future__ import annotations

import asyncio
import contextlib

from redis.exceptions import RedisError

from shared.queue.broker import Broker
from shared.tasks import end_tasks

FORGET_AFTER_SECONDS = 0.05
"""So long finished requests are collected. What they keep is small, and goes by itself where it is not removed."""
FORGET_TIMEOUT_SECONDS = 5.0


class Forgetting:
    """The finished requests of one client. Belongs to the event loop of the first `add`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._finished: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, request: str) -> None:
        """Remove what this request keeps, soon; all its results were read."""
        self._finished.append(request)
        if self._task is None:
            self._task = asyncio.create_task(self._keep_removing())

    async def aclose(self) -> None:
        """Remove all that is left, where Redis answers in time."""
        if self._task is not None:
            await end_tasks([self._task])
        await self._remove()

    async def _keep_removing(self) -> None:
        try:
            while self._finished:
                await asyncio.sleep(FORGET_AFTER_SECONDS)
                await self._remove()
        finally:
            self._task = None

    async def _remove(self) -> None:
        finished = list(self._finished)
        if finished:
            await remove(self._broker, *finished)
            del self._finished[: len(finished)]


async def remove(broker: Broker, *requests: str) -> None:
    """Remove what requests keep in Redis, where Redis can be asked; else it goes by itself, later."""
    with contextlib.suppress(RedisError, OSError, TimeoutError):
        async with asyncio.timeout(FORGET_TIMEOUT_SECONDS):
            await broker.forget(*requests)
