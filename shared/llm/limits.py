"""Limits of one LLM: requests and tokens a minute, requests in flight, repetitions, and a circuit breaker.

`FleetLimiter` keeps them in Redis, so that all processes of a fleet stay inside them together; `LocalLimiter` knows of
one process and of requests in flight only. The steps in Redis are in `shared.llm.limit_scripts`.

**Window.** In no `LimitSettings.window_seconds` do more requests *arrive at the server* than allowed, wherever the
window begins. When a request arrives nobody tells us; it is after its permit and before its answer. So a request counts
from its permit until a window after its answer, or after `LimitSettings.arrival_seconds` where the answer takes longer:
by then it must have arrived. A caller asks the LLM at once when it has its permit, and gives the permit back where it
does not ask at all.

**Tokens.** A permit reserves an estimate; `Permit.finish` puts the real number in its place, for as long as the request
stays in the window. Where estimates were too small the limit is exceeded by what they lacked, and the next ones wait.

**In flight.** A permit is a lease that its process renews; a process that dies gives its permits back by that.

**Waiting.** In a process, first come, first served, and only the first asks Redis. Processes that wait stand in line in
Redis and go to its end after each permit, so that each gets its turn however many wait in another. Redis says how
long the wait will be.

**Circuit breaker.** Where too large a share of requests fails, nobody is let through for a while; then one request of
the whole fleet tries, and another one after it until one succeeds.

Where Redis does not answer, nobody gets a permit (``llm_limits_unavailable``): a limit that is not known is not kept.
Where Redis lost its data, what was counted is lost with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Sequence
from typing import Any

import structlog
from redis.asyncio import Redis

from shared.llm import limit_scripts as scripts
from shared.llm.errors import LlmFailed
from shared.llm.limiter import Limiter, LimitSettings, LocalLimiter, Outcome, Permit, no_permit
from shared.llm.redis_calls import RedisCalls
from shared.tasks import end_tasks

__all__ = ["FleetLimiter", "LimitSettings", "Limiter", "LocalLimiter", "Outcome", "Permit"]

log = structlog.get_logger(__name__)

CLOCK_SLACK = 0.001
"""By this share the window is made longer: the server's clock may be a little faster than that of Redis."""
MAX_WAIT_SECONDS = 1.0
"""Longest wait before Redis is asked again, whatever it said: requests end, and permits are given back."""
SEEN_SECONDS = MAX_WAIT_SECONDS + 2.0
"""How long a process that waits keeps its place in line without asking."""
FIRST_POLL_SECONDS, LAST_POLL_SECONDS, POLL_GROWTH = 0.01, 0.2, 1.5
"""Waits for a request in flight to end, when nobody knows how long that takes."""
JITTER_SECONDS = 0.01
BREAKER_SLOTS = 10
TTL_MARGIN_SECONDS = 60.0


class FleetLimiter:
    """The limits of all processes that use the same Redis and the same name."""

    def __init__(self, redis: Redis, name: str, settings: LimitSettings) -> None:
        self._settings = settings
        self._process = uuid.uuid4().hex
        base = f"zhufu:{{{name}}}:llm:limit"
        parts = ("window", "tokens", "leases", "retries", "line", "outcomes", "state")
        self._keys = [f"{base}:{part}" for part in parts]
        self._acquire = redis.register_script(scripts.ACQUIRE)
        self._finish = redis.register_script(scripts.FINISH)
        self._give_back = redis.register_script(scripts.GIVE_BACK)
        self._renew = redis.register_script(scripts.RENEW)
        self._leave = redis.register_script(scripts.LEAVE)
        longest = max(
            settings.window_seconds * (1 + CLOCK_SLACK) + settings.arrival_seconds,
            settings.lease_seconds,
            settings.breaker_window_seconds,
            settings.breaker_open_seconds,
        )
        self._ttl_ms = int((longest + TTL_MARGIN_SECONDS) * 1000)
        self._window = _microseconds(settings.window_seconds * (1 + CLOCK_SLACK))
        self._first = asyncio.Lock()
        """Held by the caller that asks Redis; asyncio's lock serves in order of arrival."""
        self._waiting = 0
        self._in_line = False
        self._freed = asyncio.Event()
        self._refusals = 0
        self._refusal: LlmFailed | None = None
        self._circuit_open = False
        self._held: dict[str, float] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._calls = RedisCalls(settings.redis_timeout_seconds)

    @property
    def circuit_open(self) -> bool:
        """See `Limiter`."""
        return self._circuit_open

    async def acquire(self, tokens: int, *, retry: bool = False, timeout_seconds: float) -> Permit:
        """See `Limiter`."""
        most = self._settings.tokens_per_minute
        if tokens < 0:
            raise ValueError("tokens must not be below 0")
        if most is not None and tokens > most:
            raise LlmFailed(
                f"the request needs {tokens} tokens, and {most} a minute are allowed", code="llm_over_limit"
            )
        began = time.monotonic()
        refusals = self._refusals
        self._waiting += 1
        try:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._first.acquire()
            except TimeoutError:
                raise no_permit(timeout_seconds) from None
            try:
                if self._refusal is not None and self._refusals != refusals:
                    raise _again(self._refusal)  # what refused those before us concerns all that waited then
                permit = await self._granted(tokens, retry, began, timeout_seconds)
            finally:
                self._first.release()
        finally:
            self._waiting -= 1
            if self._waiting == 0 and self._in_line:
                self._in_line = False
                self._calls.begin(self._leave(keys=self._keys, args=[self._process]))
        return permit

    async def close(self) -> None:
        """See `Limiter`."""
        if self._renewing is not None:
            await end_tasks([self._renewing])
        await self._calls.close()

    async def _finish_permit(self, permit: str, tokens: int | None, outcome: Outcome) -> None:
        """Where Redis is away, the permit ends with its lease."""
        if self._held.pop(permit, None) is None:
            return
        settings = self._settings
        arguments: list[str | int | float] = [
            permit,
            "" if tokens is None else tokens,
            outcome,
            self._window,
            _microseconds(settings.breaker_window_seconds / BREAKER_SLOTS),
            BREAKER_SLOTS,
            settings.breaker_minimum,
            settings.breaker_share,
            _microseconds(settings.breaker_open_seconds),
            self._ttl_ms,
        ]
        await self._calls.wait(self._calls.start(self._finished(arguments)))

    async def _give_back_permit(self, permit: str) -> None:
        if self._held.pop(permit, None) is not None:
            await self._calls.wait(self._calls.start(self._given_back(permit)))

    # Waiting

    async def _granted(self, tokens: int, retry: bool, began: float, timeout_seconds: float) -> Permit:
        """Ask until there is a permit; only the first of those that wait here does."""
        poll_seconds = FIRST_POLL_SECONDS
        while True:
            self._freed.clear()
            permit = uuid.uuid4().hex
            asked = time.monotonic()
            what, wait_seconds, self._circuit_open = await self._ask(permit, tokens, retry)
            if what != scripts.NO_RETRY_LEFT:  # which says nothing about our place in line
                self._in_line = what not in (scripts.GRANTED, scripts.CIRCUIT_OPEN)
            if what == scripts.GRANTED:
                self._hold(permit)
                if time.monotonic() - asked < self._settings.arrival_seconds / 2:
                    return _FleetPermit(self, permit, time.monotonic() - began)
                await self._give_back_permit(permit)  # it came so late that its request might arrive too late
                wait_seconds = FIRST_POLL_SECONDS
            elif what == scripts.NO_RETRY_LEFT:
                raise LlmFailed("too many of the last requests were repetitions", code="llm_retry_budget")
            elif what == scripts.CIRCUIT_OPEN:
                raise self._refuse(
                    LlmFailed(
                        "the LLM failed too often, and is left alone for a while",
                        code="llm_circuit_open",
                        retry_after_seconds=wait_seconds or MAX_WAIT_SECONDS,
                    )
                )
            elif what == scripts.NONE_IN_FLIGHT_FREE:
                wait_seconds = poll_seconds * random.uniform(0.5, 1.5)
                poll_seconds = min(LAST_POLL_SECONDS, poll_seconds * POLL_GROWTH)
            left = began + timeout_seconds - time.monotonic()
            if left <= 0:
                raise no_permit(timeout_seconds)
            wait_seconds = min(wait_seconds, MAX_WAIT_SECONDS) + random.uniform(0, JITTER_SECONDS)
            if what == scripts.NO_REQUEST:  # then the end of a request changes nothing
                await asyncio.sleep(min(wait_seconds, left))
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(wait_seconds, left)):
                        await self._freed.wait()

    async def _ask(self, permit: str, tokens: int, retry: bool) -> tuple[int, float, bool]:
        """What Redis says, the seconds to wait, and whether the circuit is open.

        Whatever happens to the caller, no permit stays behind.
        """
        settings = self._settings
        arguments: list[str | int | float] = [
            permit,
            self._process,
            tokens,
            int(retry),
            settings.requests_per_minute or 0,
            settings.tokens_per_minute or 0,
            settings.max_in_flight,
            self._window,
            _microseconds(settings.arrival_seconds),
            _microseconds(settings.lease_seconds),
            settings.retry_share,
            settings.retry_floor,
            _microseconds(SEEN_SECONDS),
            self._ttl_ms,
        ]
        asking = self._calls.begin(self._acquire(keys=self._keys, args=arguments))
        answer = None
        try:
            answer = await self._calls.wait(asking)
        finally:
            if answer is None:
                self._calls.start(self._undo(asking, permit))
        if answer is None:
            raise self._refuse(
                LlmFailed("Redis, which keeps the limits, does not answer", code="llm_limits_unavailable")
            )
        return int(answer[0]), int(answer[1]) / 1e6, bool(answer[2])

    def _refuse(self, error: LlmFailed) -> LlmFailed:
        """An error that concerns everybody who waits here."""
        self._refusals += 1
        self._refusal = error
        return error

    # Holding

    def _hold(self, permit: str) -> None:
        self._held[permit] = time.monotonic()
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew_leases())

    async def _renew_leases(self) -> None:
        """Runs while a permit is held."""
        settings = self._settings
        while self._held:
            await asyncio.sleep(settings.lease_seconds / 3)
            oldest = time.monotonic() - settings.max_hold_seconds
            held = [permit for permit, since in self._held.items() if since > oldest]
            if held:
                arguments: list[str | int] = [_microseconds(settings.lease_seconds), self._ttl_ms, *held]
                lost = await self._calls.call(self._renew(keys=self._keys, args=arguments))
                if lost:
                    log.warning("llm_leases_lost", permits=int(lost))

    # Redis

    async def _finished(self, arguments: Sequence[str | int | float]) -> None:
        answer = await self._calls.call(self._finish(keys=self._keys, args=arguments))
        if answer is not None:
            self._circuit_open = bool(answer)
        self._freed.set()

    async def _given_back(self, permit: str) -> None:
        await self._calls.call(self._give_back(keys=self._keys, args=[permit, self._ttl_ms]))
        self._freed.set()

    async def _undo(self, asking: asyncio.Task[Any], permit: str) -> None:
        """Give back a permit that nobody took, or a place in line, once it is known that it could be granted."""
        await asyncio.wait([asking])
        await self._given_back(permit)
        if self._waiting == 0:
            await self._calls.call(self._leave(keys=self._keys, args=[self._process]))


class _FleetPermit:
    def __init__(self, limiter: FleetLimiter, permit: str, waited_seconds: float) -> None:
        self.waited_seconds = waited_seconds
        self._limiter = limiter
        self._permit = permit

    async def finish(self, tokens: int | None, outcome: Outcome) -> None:
        await self._limiter._finish_permit(self._permit, tokens, outcome)

    async def give_back(self) -> None:
        await self._limiter._give_back_permit(self._permit)


def _again(error: LlmFailed) -> LlmFailed:
    """The same error for another caller; one exception must not be raised in several tasks."""
    return LlmFailed(error.detail, code=error.failure_code, retry_after_seconds=error.retry_after_seconds)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
