"""Calls to Redis that end even where their caller has gone, and callers that wait for Redis only so long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Coroutine
from typing import Any

import structlog
from redis.exceptions import RedisError

from shared.tasks import end_tasks

log = structlog.get_logger(__name__)

CALL_SECONDS = 30.0
"""Longest time of a call that goes on after its caller has gone."""


class RedisCalls:
    """Runs calls in tasks of their own.

    A caller that is cancelled does not break off a step in Redis, and does not leave behind what the step took:
    redis-py closes its connection on cancellation, and the step may or may not have been done.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something whether or not somebody waits for it; `close` does."""
        task = asyncio.create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def begin(self, call: Awaitable[Any]) -> asyncio.Task[Any]:
        """Start a call; its result is what Redis answers, or None where it does not."""
        return self.start(self._answer(call))

    async def wait(self, task: asyncio.Task[Any]) -> Any:
        """The result of what was started; None where it does not come in time. It goes on then, and if cancelled."""
        await asyncio.wait([task], timeout=self._timeout_seconds)
        return task.result() if task.done() else None

    async def call(self, call: Awaitable[Any]) -> Any:
        """Begin a call and wait for what Redis answers; None where it does not."""
        return await self.wait(self.begin(call))

    async def close(self) -> None:
        """Wait for all that was started, as long as for a call, and end it."""
        deadline = time.monotonic() + self._timeout_seconds
        while self._tasks and (left := deadline - time.monotonic()) > 0:  # what was started may start more
            await asyncio.wait(self._tasks, timeout=left)
        await end_tasks(self._tasks)

    async def _answer(self, call: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await call
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("llm_redis_failed", error=type(error).__name__)
            return None
