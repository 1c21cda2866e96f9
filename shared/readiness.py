"""Shows in the metrics what /readyz answers, also where nobody asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Gauge

from shared.errors import NotReady
from shared.tasks import end_tasks

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 10.0
TIMEOUT_SECONDS = 10.0


class ReadinessWatch:
    """Looks every few seconds whether this process can score.

    Args:
        check: Raises `shared.errors.NotReady` where it cannot.
        gauge: 1 while it can, 0 while it cannot or has not begun.
        interval_seconds: Between two looks.
        timeout_seconds: What has not answered by then is not ready.
    """

    def __init__(
        self,
        check: Callable[[], Awaitable[None]],
        gauge: Gauge,
        *,
        interval_seconds: float = INTERVAL_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._check = check
        self._gauge = gauge
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._task: asyncio.Task[None] | None = None
        self._was_ready: bool | None = None
        gauge.set(0)

    def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.create_task(self._watch(), name="readiness")

    async def stop(self) -> None:
        """Look no more; what ends is not ready."""
        if self._task is not None:
            await end_tasks([self._task])
        self._gauge.set(0)

    async def _watch(self) -> None:
        while True:
            trouble = await self._trouble()
            self._gauge.set(0 if trouble else 1)
            if trouble and self._was_ready:
                log.warning("not_ready", why=trouble)
            elif not trouble and self._was_ready is False:
                log.info("ready_again")
            self._was_ready = not trouble
            await asyncio.sleep(self._interval_seconds)

    async def _trouble(self) -> str | None:
        """Why this process cannot score, if it cannot."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._check()
        except NotReady as error:
            return error.detail
        except TimeoutError:
            return f"no answer within {self._timeout_seconds:g} s"
        except Exception as error:  # a scorer's `check` may raise anything; this loop goes on
            log.error("readiness_check_raised", exc_info=error)
            return "the check ended with an unexpected error"
        return None
