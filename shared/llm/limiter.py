"""What a limiter is, what it is told, and the one of a single process."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Literal, Protocol

from shared.llm.errors import LlmFailed

Outcome = Literal["ok", "failed", "ignored"]
"""What the circuit breaker learns from a request: ``ignored`` says nothing about the server's health."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """The limits; None stands for no limit. All processes of a fleet should have the same."""

    requests_per_minute: int | None = None
    """Of `window_seconds`, to be exact."""
    tokens_per_minute: int | None = None
    max_in_flight: int = 32
    window_seconds: float = 60.0
    arrival_seconds: float = 1.0
    """Longest time from a permit to the arrival of its request at the server."""
    lease_seconds: float = 30.0
    max_hold_seconds: float = 900.0
    """A permit held longer is no longer renewed: somebody forgot it."""
    retry_share: float = 0.2
    """Repetitions among the requests of the last window, at most."""
    retry_floor: int = 5
    """As many repetitions are always allowed in a window."""
    breaker_share: float = 0.5
    """Share of failures that opens the circuit; above 1: never."""
    breaker_minimum: int = 20
    """Below this many outcomes the circuit does not open."""
    breaker_window_seconds: float = 30.0
    breaker_open_seconds: float = 10.0
    redis_timeout_seconds: float = 2.0
    """Longest wait for an answer of Redis."""

    def __post_init__(self) -> None:
        positive = (
            self.requests_per_minute,
            self.tokens_per_minute,
            self.max_in_flight,
            self.window_seconds,
            self.arrival_seconds,
            self.lease_seconds,
            self.max_hold_seconds,
            self.breaker_share,
            self.breaker_minimum,
            self.breaker_window_seconds,
            self.breaker_open_seconds,
            self.redis_timeout_seconds,
        )
        if any(value is not None and value <= 0 for value in positive):
            raise ValueError("limits and times must be above 0")
        if self.retry_share < 0 or self.retry_floor < 0:
            raise ValueError("the retry budget must not be below 0")


class Permit(Protocol):
    """The right to send one request, once. It must be ended by `finish` or `give_back`; a second end does nothing."""

    @property
    def waited_seconds(self) -> float:
        """How long its caller waited for it."""

    async def finish(self, tokens: int | None, outcome: Outcome) -> None:
        """The request has ended.

        Args:
            tokens: That it really cost, prompt and completion; None where that is not known: the estimate stays.
            outcome: ``ok`` only where the server answered.
        """

    async def give_back(self) -> None:
        """The request was never sent: it is as if no permit had been asked for."""


class Limiter(Protocol):
    """Lets requests through as fast as the limits allow."""

    @property
    def circuit_open(self) -> bool:
        """Whether the circuit breaker was open or half open when this process last heard of it."""

    async def acquire(self, tokens: int, *, retry: bool = False, timeout_seconds: float) -> Permit:
        """Wait for the right to send one request now.

        Args:
            tokens: Estimate of what the request will cost, prompt and completion.
            retry: Whether this request is a repetition; these have a budget.
            timeout_seconds: Longest wait.

        Raises:
            LlmFailed: ``llm_limit_wait``: not within the time. At once: ``llm_over_limit``: more tokens than are ever
                allowed; ``llm_retry_budget``: too many repetitions; ``llm_circuit_open``: the server fails too often;
                ``llm_limits_unavailable``: Redis does not answer.
        """

    async def close(self) -> None:
        """End what runs in the background. Permits still held run out by themselves."""


class LocalLimiter:
    """Requests in flight of this process, first come, first served.

    ValueError where the settings ask for requests or tokens a minute: without Redis nobody counts those of others.
    """

    def __init__(self, settings: LimitSettings) -> None:
        if settings.requests_per_minute is not None or settings.tokens_per_minute is not None:
            raise ValueError("limits of requests or tokens per minute need Redis: set ZHUFU_REDIS_URL")
        self._free = asyncio.Semaphore(settings.max_in_flight)

    @property
    def circuit_open(self) -> bool:
        """Never: one process has no circuit breaker."""
        return False

    async def acquire(self, tokens: int, *, retry: bool = False, timeout_seconds: float) -> Permit:
        """See `Limiter`; only ``llm_limit_wait`` is raised."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise no_permit(timeout_seconds) from None
        return _LocalPermit(self._free, time.monotonic() - began)

    async def close(self) -> None:
        """Nothing runs in the background."""


class _LocalPermit:
    def __init__(self, free: asyncio.Semaphore, waited_seconds: float) -> None:
        self.waited_seconds = waited_seconds
        self._free: asyncio.Semaphore | None = free

    async def finish(self, tokens: int | None, outcome: Outcome) -> None:
        await self.give_back()

    async def give_back(self) -> None:
        free, self._free = self._free, None
        if free is not None:
            free.release()


def no_permit(timeout_seconds: float) -> LlmFailed:
    """What `Limiter.acquire` raises after its time."""
    return LlmFailed(f"the LLM's limits left no room within {timeout_seconds:g} s", code="llm_limit_wait")
