"""What the limits need no Redis for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.llm.errors import LlmFailed
from shared.llm.limits import LimitSettings, LocalLimiter
from tests.support.waiting import GENEROUS_SECONDS


@pytest.mark.parametrize("limit", [{"requests_per_minute": 10}, {"tokens_per_minute": 10}])
def test_limits_of_a_minute_are_refused_without_redis(limit: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="ZHUFU_REDIS_URL"):
        LocalLimiter(LimitSettings(**limit))


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_minute": 0},
        {"tokens_per_minute": -1},
        {"max_in_flight": 0},
        {"window_seconds": 0.0},
        {"arrival_seconds": -1.0},
        {"lease_seconds": 0.0},
        {"retry_share": -0.1},
        {"retry_floor": -1},
        {"breaker_share": 0.0},
        {"redis_timeout_seconds": 0.0},
    ],
)
def test_limits_that_let_nothing_through_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        LimitSettings(**wrong)


async def test_one_process_alone_limits_its_requests_in_flight() -> None:
    limiter = LocalLimiter(LimitSettings(max_in_flight=3))
    in_flight, most, served = 0, 0, []

    async def one(number: int) -> None:
        nonlocal in_flight, most
        permit = await limiter.acquire(1, retry=True, timeout_seconds=GENEROUS_SECONDS)
        in_flight += 1
        most = max(most, in_flight)
        served.append(number)
        await asyncio.sleep(0)
        in_flight -= 1
        await permit.finish(None, "failed")
        await permit.finish(None, "failed")  # ended already: does nothing

    await asyncio.gather(*(one(number) for number in range(50)))
    assert (most, served) == (3, list(range(50)))
    assert not limiter.circuit_open
    await limiter.close()


async def test_waiting_for_a_request_in_flight_has_a_limit_and_cancellation_leaks_nothing() -> None:
    limiter = LocalLimiter(LimitSettings(max_in_flight=1))
    held = await limiter.acquire(1, timeout_seconds=GENEROUS_SECONDS)
    with pytest.raises(LlmFailed) as caught:
        await limiter.acquire(1, timeout_seconds=0.01)
    assert (caught.value.failure_code, caught.value.may_retry) == ("llm_limit_wait", True)
    for _ in range(5):
        waiting = asyncio.create_task(limiter.acquire(1, timeout_seconds=GENEROUS_SECONDS))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await held.give_back()
    permit = await limiter.acquire(1, timeout_seconds=GENEROUS_SECONDS)
    assert permit.waited_seconds < GENEROUS_SECONDS
