"""The fleet's limits on a real Redis: by several processes, and by several limiters of one process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.llm.errors import LlmFailed
from shared.llm.limits import FleetLimiter, LimitSettings, Permit
from shared.queue.broker import connect
from tests.integration.shared.counting_server import CountingServer, counting
from tests.support.effort import SLOW
from tests.support.processes import Process, RedisServer
from tests.support.waiting import GENEROUS_SECONDS, until

BASE = "zhufu:{limit}:llm:limit"
NOT_LONG = 5.0
"""Far less than a caller allows, far more than what must happen at once takes."""

MakeLimiter = Callable[..., FleetLimiter]


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(redis_server.url)
    yield client
    await client.aclose()


@pytest.fixture
async def limiter_of(redis: Redis) -> AsyncIterator[MakeLimiter]:
    """Makes limiters that stand for one process each."""
    made: list[FleetLimiter] = []

    def make(**settings: Any) -> FleetLimiter:
        made.append(FleetLimiter(redis, "limit", LimitSettings(**settings)))
        return made[-1]

    yield make
    for limiter in made:
        await limiter.close()


async def get(limiter: FleetLimiter, tokens: int = 0, *, retry: bool = False) -> Permit:
    return await limiter.acquire(tokens, retry=retry, timeout_seconds=GENEROUS_SECONDS)


async def refused(
    limiter: FleetLimiter, tokens: int = 0, *, retry: bool = False, timeout_seconds: float = 0.05
) -> LlmFailed:
    with pytest.raises(LlmFailed) as caught:
        await limiter.acquire(tokens, retry=retry, timeout_seconds=timeout_seconds)
    return caught.value


async def ask(limiter: FleetLimiter, outcome: Any = "ok", tokens: int | None = None) -> None:
    await (await get(limiter)).finish(tokens, outcome)


async def leases(redis: Redis) -> int:
    return int(await redis.zcard(f"{BASE}:leases"))


# Requests in a window, by several processes


@contextlib.contextmanager
def fleet(
    redis: RedisServer, server: CountingServer, folder: Path, seconds: float, callers: tuple[int, ...], **settings: Any
) -> Any:
    workers = [
        Process(
            [
                *(sys.executable, "-m", "tests.integration.shared.llm_worker", "limited", redis.url, server.url),
                *("--callers", str(count), "--seconds", str(seconds), "--settings", json.dumps(settings)),
            ],
            folder / f"worker-{number}.log",
        )
        for number, count in enumerate(callers)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            if worker.running:
                worker.kill()


async def run_fleet(
    redis: RedisServer, folder: Path, *, requests: int, window_seconds: float, windows: float, answer_seconds: float
) -> tuple[CountingServer, float]:
    """Let four processes ask as often as they may; the server, and the share of the limit that was used.

    A place in the window is free again after a window at the soonest: the share is how soon it was taken again.
    """
    async with counting() as server:
        server.seconds = answer_seconds
        settings = {"requests_per_minute": requests, "window_seconds": window_seconds, "max_in_flight": 2 * requests}
        with fleet(redis, server, folder, windows * window_seconds, (64, 8, 8, 8), **settings) as workers:
            async with asyncio.timeout(windows * window_seconds + GENEROUS_SECONDS):
                for worker in workers:
                    assert await asyncio.to_thread(worker.wait, windows * window_seconds + GENEROUS_SECONDS) == 0, (
                        worker.printed()
                    )
        times = server.times
        rounds = [later - earlier for earlier, later in zip(times, times[requests:], strict=False)]
        assert rounds
        return server, window_seconds / (sum(rounds) / len(rounds))


async def test_processes_together_stay_inside_one_limit_and_use_it(redis_server: RedisServer, tmp_path: Path) -> None:
    server, used = await run_fleet(
        redis_server, tmp_path, requests=40, window_seconds=4, windows=2.5, answer_seconds=0.02
    )
    assert server.most_within(4) == 40
    assert used > 0.9
    shares = Counter(process for _, process in server.arrivals)
    assert len(shares) == 4
    sys.stdout.write(f"{len(server.arrivals)} arrivals, {used:.1%} used, by process {sorted(shares.values())}\n")


@pytest.mark.skipif(not SLOW, reason="takes three minutes: set ZHUFU_SLOW_TESTS=1")
@pytest.mark.timeout(400)
async def test_four_processes_share_120_requests_a_minute(redis_server: RedisServer, tmp_path: Path) -> None:
    server, used = await run_fleet(
        redis_server, tmp_path, requests=120, window_seconds=60, windows=2.5, answer_seconds=0.3
    )
    shares = sorted(Counter(process for _, process in server.arrivals).values())
    most = server.most_within(60)
    sys.stdout.write(f"{len(server.arrivals)} arrivals, most in 60 s {most}, {used:.2%} used, by process {shares}\n")
    assert most <= 120
    assert used >= 0.95


async def test_a_request_counts_from_its_permit_until_a_window_after_its_answer(
    redis_server: RedisServer, limiter_of: MakeLimiter
) -> None:
    limiter = limiter_of(requests_per_minute=1, window_seconds=0.5, arrival_seconds=0.4)
    permit = await get(limiter)
    await asyncio.sleep(0.2)
    await permit.finish(None, "ok")
    answered = time.monotonic()
    await (await get(limiter)).finish(None, "failed")
    assert time.monotonic() - answered >= 0.5
    with redis_server.client() as client:
        leaves: Any = client.zrange(f"{BASE}:window", 0, -1, withscores=True)
        seconds, microseconds = client.time()
    assert len(leaves) == 1
    # Of one that was not answered it is not known when it arrived: it stays as long as if it had arrived at the latest.
    assert 0.6 < leaves[0][1] / 1e6 - (seconds + microseconds / 1e6) <= 0.91


async def test_a_request_that_takes_long_leaves_the_window_before_it_ends(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(requests_per_minute=1, window_seconds=0.3, arrival_seconds=0.1)
    await get(limiter)
    await get(limiter)
    assert (await refused(limiter)).failure_code == "llm_limit_wait"


async def test_a_permit_given_back_is_as_if_it_had_not_been(redis: Redis, limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(requests_per_minute=1, tokens_per_minute=10, retry_floor=1)
    for _ in range(3):
        permit = await get(limiter, 10, retry=True)
        await permit.give_back()
        await permit.finish(10, "failed")  # ended already: does nothing
    assert [await redis.exists(f"{BASE}:{part}") for part in ("window", "tokens", "leases", "retries")] == [0] * 4
    await get(limiter, 10)
    assert (await refused(limiter, 1)).failure_code == "llm_limit_wait"


async def test_a_permit_that_comes_late_is_not_used(
    redis: Redis, limiter_of: MakeLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request might arrive later than it is counted."""
    limiter = limiter_of(requests_per_minute=1, arrival_seconds=1.0)
    acquire = limiter._acquire
    slow = [0.7, 0.0]

    async def slowly(**arguments: Any) -> Any:
        answer = await acquire(**arguments)
        await asyncio.sleep(slow.pop(0))
        return answer

    monkeypatch.setattr(limiter, "_acquire", slowly)
    permit = await get(limiter)
    assert slow == []
    assert await leases(redis) == 1
    await permit.finish(None, "ok")
    assert await leases(redis) == 0


# Tokens


async def test_tokens_are_reserved_and_corrected_when_the_real_number_is_known(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(tokens_per_minute=100)
    first, second = await get(limiter, 40), await get(limiter, 60)
    assert (await refused(limiter, 1)).failure_code == "llm_limit_wait"
    await first.finish(10, "ok")
    third = await get(limiter, 30)
    assert (await refused(limiter, 1)).failure_code == "llm_limit_wait"
    await third.finish(None, "failed")  # not known: the estimate stays
    assert (await refused(limiter, 1)).failure_code == "llm_limit_wait"
    await second.finish(0, "failed")
    await get(limiter, 60)
    assert (await refused(limiter, 1)).failure_code == "llm_limit_wait"


async def test_an_estimate_that_was_too_small_is_paid_by_those_who_come_next(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(tokens_per_minute=100, window_seconds=0.6, arrival_seconds=0.2)
    await (await get(limiter, 10)).finish(150, "ok")
    ended = time.monotonic()
    assert (await refused(limiter, 1)).failure_code == "llm_limit_wait"
    await get(limiter, 100)
    assert time.monotonic() - ended >= 0.55


async def test_tokens_come_back_with_the_end_of_a_request_at_once(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(tokens_per_minute=100)
    permit = await get(limiter, 100)
    waiting = asyncio.create_task(get(limiter, 50))
    await until(lambda: limiter._in_line)
    ended = time.monotonic()
    await permit.finish(20, "ok")
    await waiting
    assert time.monotonic() - ended < 0.9  # it would have looked again after a second


async def test_a_request_larger_than_the_limit_is_refused_at_once(limiter_of: MakeLimiter) -> None:
    error = await refused(limiter_of(tokens_per_minute=100), 101, timeout_seconds=GENEROUS_SECONDS)
    assert (error.failure_code, error.may_retry) == ("llm_over_limit", False)


async def test_a_large_request_is_not_overtaken_for_ever(limiter_of: MakeLimiter) -> None:
    """Who waits for many tokens would starve if smaller requests were let through before it."""
    settings = {"tokens_per_minute": 100, "window_seconds": 1.0, "arrival_seconds": 0.1}
    small, large = limiter_of(**settings), limiter_of(**settings)
    served = 0

    async def crowd() -> None:
        nonlocal served
        while True:
            await (await get(small, 10)).finish(None, "ok")
            served += 1

    crowding = [asyncio.create_task(crowd()) for _ in range(20)]
    await until(lambda: small._in_line)
    async with asyncio.timeout(GENEROUS_SECONDS):
        permit = await get(large, 100)
    await permit.finish(None, "ok")
    before = served
    await until(lambda: served > before)
    for task in crowding:
        task.cancel()
    await asyncio.gather(*crowding, return_exceptions=True)


# In flight


async def test_no_more_are_in_flight_than_allowed(limiter_of: MakeLimiter) -> None:
    limiters = [limiter_of(max_in_flight=5) for _ in range(3)]
    in_flight, most = 0, 0

    async def one(limiter: FleetLimiter) -> None:
        nonlocal in_flight, most
        permit = await get(limiter)
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.005)
        in_flight -= 1
        await permit.finish(None, "ok")

    async with asyncio.timeout(GENEROUS_SECONDS):
        await asyncio.gather(*(one(limiters[number % 3]) for number in range(150)))
    assert most == 5


async def test_processes_together_have_no_more_in_flight_than_allowed(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with counting() as server:
        server.seconds = 0.1
        with fleet(redis_server, server, tmp_path, 4.0, (16, 4, 4, 4), max_in_flight=8) as workers:
            for worker in workers:
                assert await asyncio.to_thread(worker.wait, GENEROUS_SECONDS) == 0, worker.printed()
    assert server.most_in_flight == 8
    assert len({process for _, process in server.arrivals}) == 4


async def test_a_killed_process_gives_its_permits_back(
    redis_server: RedisServer, redis: Redis, limiter_of: MakeLimiter, tmp_path: Path
) -> None:
    async with counting() as server:
        server.answering.clear()
        settings = {"max_in_flight": 4, "lease_seconds": 1.0}
        limiter = limiter_of(**settings)
        with fleet(redis_server, server, tmp_path, GENEROUS_SECONDS, (4,), **settings) as (worker,):
            await until(lambda: len(server.arrivals) == 4)
            await asyncio.sleep(1.5)  # longer than the lease: it is renewed
            assert (await refused(limiter)).failure_code == "llm_limit_wait"
            worker.kill()
            killed = time.monotonic()
            async with asyncio.timeout(NOT_LONG):
                permits = [await get(limiter) for _ in range(4)]
            assert time.monotonic() - killed > 0.3
        for permit in permits:
            await permit.finish(None, "ok")


async def test_a_permit_that_nobody_ends_is_not_renewed_for_ever(redis: Redis, limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(max_in_flight=1, lease_seconds=0.3, max_hold_seconds=0.6)
    await get(limiter)
    assert (await refused(limiter, timeout_seconds=0.5)).failure_code == "llm_limit_wait"
    async with asyncio.timeout(NOT_LONG):
        await get(limiter)


async def test_the_end_of_a_request_is_heard_at_once_in_its_own_process(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(max_in_flight=1)
    waits: list[float] = []
    permit = await get(limiter)
    for _ in range(10):
        waiting = asyncio.create_task(get(limiter))
        await until(lambda: limiter._in_line)
        await asyncio.sleep(0.2)  # it looks seldom by now
        ended = time.monotonic()
        await permit.finish(None, "ok")
        permit = await waiting
        waits.append(time.monotonic() - ended)
        assert permit.waited_seconds > 0.1
    assert sorted(waits)[5] < 0.05


# Waiting in line


async def test_a_crowd_in_one_process_leaves_the_others_their_turn(limiter_of: MakeLimiter) -> None:
    crowded, modest = limiter_of(max_in_flight=1), limiter_of(max_in_flight=1)
    order: list[str] = []

    async def one(limiter: FleetLimiter, name: str) -> None:
        permit = await get(limiter)
        order.append(name)
        await permit.finish(None, "ok")

    held = await get(crowded)
    crowd = [asyncio.create_task(one(crowded, "crowd")) for _ in range(100)]
    await until(lambda: crowded._in_line)
    few = [asyncio.create_task(one(modest, "modest")) for _ in range(5)]
    await until(lambda: modest._in_line)
    await held.finish(None, "ok")
    async with asyncio.timeout(GENEROUS_SECONDS):
        await asyncio.gather(*crowd, *few)
    assert [number for number, name in enumerate(order) if name == "modest"][-1] <= 12, order


async def test_callers_of_one_process_are_served_in_order(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(max_in_flight=1)
    served: list[int] = []

    async def one(number: int) -> None:
        permit = await get(limiter)
        served.append(number)
        await permit.finish(None, "ok")

    await asyncio.gather(*(one(number) for number in range(50)))
    assert served == list(range(50))


async def test_a_crowd_that_waits_asks_redis_seldom(redis: Redis, limiter_of: MakeLimiter) -> None:
    limiters = [limiter_of(requests_per_minute=1) for _ in range(4)]
    await get(limiters[0])
    waiting = [asyncio.create_task(refused(limiters[n % 4], timeout_seconds=2.0)) for n in range(400)]
    before = await _scripts_run(redis)
    assert {error.failure_code for error in await asyncio.gather(*waiting)} == {"llm_limit_wait"}
    assert await _scripts_run(redis) - before <= 40  # of 400 callers in four processes, in two seconds


async def _scripts_run(redis: Redis) -> int:
    return int((await redis.info("commandstats"))["cmdstat_evalsha"]["calls"])


async def test_who_no_longer_waits_holds_up_nobody(redis: Redis, limiter_of: MakeLimiter) -> None:
    first, gone, other = (limiter_of(max_in_flight=1) for _ in range(3))
    permit = await get(first)
    waiting = [asyncio.create_task(get(gone)) for _ in range(3)]
    await until(lambda: gone._in_line)
    timed_out = await refused(gone, timeout_seconds=0.1)
    assert timed_out.failure_code == "llm_limit_wait"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await permit.finish(None, "ok")
    asked = time.monotonic()
    await get(other)
    assert time.monotonic() - asked < 0.5
    assert await redis.hlen(f"{BASE}:line") == 0


async def test_a_process_that_dies_while_it_waits_holds_up_nobody_for_long(
    redis_server: RedisServer, redis: Redis, limiter_of: MakeLimiter, tmp_path: Path
) -> None:
    limiter = limiter_of(max_in_flight=1)
    permit = await get(limiter)
    async with counting() as server:
        with (
            redis_server.client() as client,
            fleet(redis_server, server, tmp_path, GENEROUS_SECONDS, (1,), max_in_flight=1) as (worker,),
        ):
            await until(lambda: client.hlen(f"{BASE}:line") == 1)
            worker.kill()
        await permit.finish(None, "ok")
        async with asyncio.timeout(NOT_LONG):
            await get(limiter)
        assert not server.arrivals


# Retry budget


async def test_repetitions_have_a_budget_and_first_tries_have_none(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(retry_share=0.2, retry_floor=2, max_in_flight=100)
    for _ in range(2):
        await get(limiter, retry=True)
    error = await refused(limiter, retry=True, timeout_seconds=GENEROUS_SECONDS)
    assert (error.failure_code, error.may_retry) == ("llm_retry_budget", True)
    for _ in range(13):
        await get(limiter)
    await get(limiter, retry=True)  # the third of 16
    assert (await refused(limiter, retry=True)).failure_code == "llm_retry_budget"


# Circuit breaker

BREAKER = {"breaker_minimum": 4, "breaker_share": 0.5, "breaker_open_seconds": 0.5, "max_in_flight": 10}


def is_open(limiter: FleetLimiter) -> bool:
    return limiter.circuit_open


async def open_circuit(limiter: FleetLimiter) -> None:
    for outcome in ("ok", "ok", "failed", "failed"):
        assert not is_open(limiter)
        await ask(limiter, outcome)
    assert is_open(limiter)


async def test_too_large_a_share_of_failures_opens_the_circuit_for_the_whole_fleet(limiter_of: MakeLimiter) -> None:
    limiter, other = limiter_of(**BREAKER), limiter_of(**BREAKER)
    for outcome in ("failed", "failed", "failed", "ignored", "ignored"):
        await ask(limiter, outcome)  # fewer than the minimum, what is ignored not counted
    await ask(limiter, "ok")
    for _ in range(20):
        await ask(limiter, "ok")  # a success does not open it, whatever was before
    assert not is_open(limiter)
    for _ in range(18):
        await ask(limiter, "failed")
    assert is_open(limiter)
    error = await refused(other, timeout_seconds=GENEROUS_SECONDS)
    assert (error.failure_code, error.may_retry) == ("llm_circuit_open", True)
    assert error.retry_after_seconds is not None
    assert 0 < error.retry_after_seconds <= 0.5
    assert other.circuit_open


async def test_a_half_open_circuit_lets_one_probe_of_the_fleet_through(limiter_of: MakeLimiter) -> None:
    limiters = [limiter_of(**BREAKER) for _ in range(3)]
    await open_circuit(limiters[0])
    await asyncio.sleep(0.55)

    async def one(limiter: FleetLimiter) -> Permit | str:
        try:
            return await limiter.acquire(0, timeout_seconds=GENEROUS_SECONDS)
        except LlmFailed as error:
            return error.failure_code

    came = await asyncio.gather(*(one(limiter) for limiter in limiters * 5))
    (probe,) = (each for each in came if not isinstance(each, str))
    assert {each for each in came if isinstance(each, str)} == {"llm_circuit_open"}
    await probe.finish(None, "ignored")  # it taught nothing: the next one
    probe = await get(limiters[1])
    await probe.finish(None, "failed")
    assert (await refused(limiters[2])).failure_code == "llm_circuit_open"
    await asyncio.sleep(0.55)
    probe = await get(limiters[2])
    assert is_open(limiters[2])
    assert (await refused(limiters[0])).failure_code == "llm_circuit_open"
    await probe.finish(None, "ok")
    await asyncio.gather(*(ask(limiter) for limiter in limiters))
    assert not any(limiter.circuit_open for limiter in limiters)
    await ask(limiters[0], "failed")  # what was before the circuit opened is forgotten
    assert not limiters[0].circuit_open


async def test_a_probe_whose_process_died_is_followed_by_another(limiter_of: MakeLimiter) -> None:
    settings = {**BREAKER, "lease_seconds": 0.5}
    dying, other = limiter_of(**settings), limiter_of(**settings)
    await open_circuit(dying)
    await asyncio.sleep(0.55)
    await get(dying)
    await dying.close()  # its lease is no longer renewed
    assert (await refused(other)).failure_code == "llm_circuit_open"
    await asyncio.sleep(0.6)
    await (await get(other)).finish(None, "ok")
    await ask(other)


async def test_answers_to_what_was_asked_before_the_circuit_opened_do_not_close_it(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(**BREAKER)
    early = [await get(limiter) for _ in range(2)]
    await open_circuit(limiter)
    await early[0].finish(None, "ok")
    assert (await refused(limiter)).failure_code == "llm_circuit_open"
    await asyncio.sleep(0.55)
    probe = await get(limiter)
    await early[1].finish(None, "failed")
    await probe.finish(None, "ok")
    await ask(limiter)


async def test_failures_of_long_ago_do_not_open_the_circuit(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(**{**BREAKER, "breaker_window_seconds": 0.5})
    for _ in range(3):
        await ask(limiter, "failed")
    await asyncio.sleep(0.6)
    for _ in range(3):
        await ask(limiter, "failed")
    assert not is_open(limiter)
    await ask(limiter, "failed")
    assert is_open(limiter)


async def test_who_waits_learns_that_the_circuit_opened(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(**{**BREAKER, "breaker_open_seconds": 30.0}, requests_per_minute=4)
    held = [await get(limiter) for _ in range(4)]
    waiting = [asyncio.create_task(refused(limiter, timeout_seconds=GENEROUS_SECONDS)) for _ in range(50)]
    await until(lambda: limiter._in_line)
    await asyncio.gather(*(permit.finish(None, "failed") for permit in held))
    async with asyncio.timeout(NOT_LONG):
        errors = await asyncio.gather(*waiting)
    codes = Counter(error.failure_code for error in errors)
    assert codes == {"llm_circuit_open": 50}


# Redis goes and comes


async def test_without_redis_nobody_gets_a_permit_and_all_go_on_when_it_is_back(own_redis: RedisServer) -> None:
    redis = connect(own_redis.url)
    limiter = FleetLimiter(redis, "limit", LimitSettings(max_in_flight=2, redis_timeout_seconds=1.0))
    held = await get(limiter)
    own_redis.kill()
    asked = time.monotonic()
    errors = await asyncio.gather(*(refused(limiter, timeout_seconds=GENEROUS_SECONDS) for _ in range(50)))
    assert time.monotonic() - asked < NOT_LONG
    assert {(error.failure_code, error.may_retry) for error in errors} == {("llm_limits_unavailable", True)}
    await held.finish(None, "ok")  # what was paid for is not lost by that
    own_redis.start()
    async with asyncio.timeout(GENEROUS_SECONDS):
        await asyncio.gather(*(ask(limiter) for _ in range(20)))
    await limiter.close()
    await redis.aclose()


async def test_a_redis_that_hangs_is_waited_for_only_so_long_and_leaks_no_permit(
    own_redis: RedisServer,
) -> None:
    redis = connect(own_redis.url)
    settings = LimitSettings(requests_per_minute=3, max_in_flight=3, redis_timeout_seconds=0.5)
    limiter = FleetLimiter(redis, "limit", settings)
    held = await get(limiter)
    process = own_redis._process
    assert process is not None
    process.send(signal.SIGSTOP)
    asked = time.monotonic()
    errors = await asyncio.gather(*(refused(limiter, timeout_seconds=GENEROUS_SECONDS) for _ in range(20)))
    assert {error.failure_code for error in errors} == {"llm_limits_unavailable"}
    await held.finish(None, "ok")
    assert time.monotonic() - asked < NOT_LONG
    process.send(signal.SIGCONT)
    async with asyncio.timeout(GENEROUS_SECONDS):
        permits = await asyncio.gather(*(get(limiter) for _ in range(2)))
    assert (await refused(limiter)).failure_code == "llm_limit_wait"
    for permit in permits:
        await permit.finish(None, "ok")
    await limiter.close()
    assert await redis.zcard(f"{BASE}:leases") == 0
    await redis.aclose()


# Cancellation


async def test_callers_cancelled_at_any_moment_leave_nothing_behind(redis: Redis, limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(requests_per_minute=1000, tokens_per_minute=10_000, max_in_flight=3)
    finished = 0

    async def one() -> None:
        nonlocal finished
        permit = await limiter.acquire(10, timeout_seconds=GENEROUS_SECONDS)
        try:
            await asyncio.sleep(0.002)
        finally:
            await permit.finish(5, "ignored")
        finished += 1

    for number in range(150):
        tasks = [asyncio.create_task(one()) for _ in range(5)]
        await asyncio.sleep(0.0001 * (number % 40))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(one() for _ in range(5)))
    await limiter.close()
    assert await leases(redis) == 0
    assert await redis.hlen(f"{BASE}:line") == 0
    counted = int(await redis.zcard(f"{BASE}:window"))
    assert 5 <= finished <= counted < 755  # those given back do not count
    assert int(await redis.hget(f"{BASE}:state", "tokens") or 0) == 5 * counted
    async with asyncio.timeout(NOT_LONG):
        for permit in [await get(limiter) for _ in range(3)]:
            await permit.finish(None, "ok")


async def test_every_key_has_a_ttl_that_outlives_what_it_counts(redis: Redis, limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(requests_per_minute=3, tokens_per_minute=100, **BREAKER)
    await get(limiter, 10, retry=True)
    await ask(limiter, "failed")
    await get(limiter, 10)
    waiting = asyncio.create_task(refused(limiter, 10, timeout_seconds=0.3))
    await until(lambda: limiter._in_line)
    names = ("window", "tokens", "leases", "retries", "line", "outcomes", "state")
    ttls = {name: await redis.pttl(f"{BASE}:{name}") for name in names}
    assert all(61_000 < ttl < 130_000 for ttl in ttls.values()), ttls
    await waiting
