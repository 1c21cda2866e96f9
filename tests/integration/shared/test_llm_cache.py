"""Answers kept in a real Redis: asked once by several processes, and kept only where they are answers."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from shared.llm.cache import AnswerCache
from shared.llm.chat import ChatAnswer, LlmUsage, TokenLogprobs
from shared.llm.errors import LlmFailed, LlmFailureCode
from shared.llm.metrics import LlmMetrics
from shared.queue.broker import connect
from shared.schemas import Usage
from tests.integration.shared.counting_server import CountingServer, counting
from tests.integration.shared.llm_worker import ASKS
from tests.support.processes import Process, RedisServer
from tests.support.waiting import GENEROUS_SECONDS, until

BASE = "zhufu:{judge}:llm:answer"
NOT_LONG = 5.0
ANSWER = ChatAnswer(
    text="1",
    tokens=(TokenLogprobs(token="1", logprob=-0.25, top=(("1", -0.25), ("0", -1.5))),),
    finish_reason="stop",
    model="好模型",
    usage=LlmUsage(prompt_tokens=300, cached_prompt_tokens=256, completion_tokens=1),
)
FAILURE = LlmFailed(
    "the server is not well",
    code="llm_server_error",
    usage=Usage(prompt_tokens=300),
    retry_after_seconds=2.5,
)


class Asked:
    """Stands for the LLM: counts, and answers when it may."""

    def __init__(self, outcome: ChatAnswer | Exception = ANSWER) -> None:
        self.count = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.outcome = outcome

    async def __call__(self) -> ChatAnswer:
        self.count += 1
        await self.may_answer.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Cache(AnswerCache):
    """Of one process, with what it counted."""

    def __init__(self, redis: Redis, *, lease_seconds: float, redis_timeout_seconds: float = 2.0) -> None:
        self.metrics = LlmMetrics(CollectorRegistry())
        super().__init__(
            redis,
            "judge",
            ttl_seconds=60,
            lease_seconds=lease_seconds,
            redis_timeout_seconds=redis_timeout_seconds,
            metrics=self.metrics,
        )

    @property
    def counted(self) -> dict[str, float]:
        samples = [sample for metric in self.metrics.cache_requests.collect() for sample in metric.samples]
        return {each.labels["result"]: each.value for each in samples if each.name.endswith("_total")}

    async def get(self, ask: Callable[[], Awaitable[ChatAnswer]], digest: str = "d1") -> tuple[ChatAnswer, bool]:
        return await self.get_or_ask(digest, ask, GENEROUS_SECONDS)


MakeCache = Callable[..., Cache]


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(redis_server.url)
    yield client
    await client.aclose()


@pytest.fixture
async def cache_of(redis: Redis) -> AsyncIterator[MakeCache]:
    """Makes caches that stand for one process each."""
    made: list[Cache] = []

    def make(lease_seconds: float = 30.0) -> Cache:
        made.append(Cache(redis, lease_seconds=lease_seconds))
        return made[-1]

    yield make
    for cache in made:
        await cache.close()


async def left(redis: Redis) -> list[str]:
    """What stands in Redis, without the common part."""
    return sorted([key.decode().removeprefix(f"{BASE}:") async for key in redis.scan_iter()])


async def failing(waiting: Awaitable[object]) -> LlmFailed:
    with pytest.raises(LlmFailed) as caught:
        await waiting
    return caught.value


# One process


async def test_an_answer_is_asked_for_once_and_read_after_that(redis: Redis, cache_of: MakeCache) -> None:
    ask = Asked()
    first, other = cache_of(), cache_of()
    assert await first.get(ask) == (ANSWER, False)
    assert await first.get(ask) == (ANSWER, True)
    assert await other.get(ask) == (ANSWER, True)
    assert await first.get(ask, "d2") == (ANSWER, False)
    assert ask.count == 2
    assert (first.counted, other.counted) == ({"miss": 2, "hit": 1}, {"hit": 1})
    assert await left(redis) == ["d1", "d2"]
    assert 59_000 < await redis.pttl(f"{BASE}:d1") <= 60_000


async def test_callers_of_one_process_wait_for_one_answer_and_ask_redis_once(redis: Redis, cache_of: MakeCache) -> None:
    ask = Asked()
    cache = cache_of()
    await cache.get(ask, "warm")
    before = await _scripts_run(redis)
    got = await asyncio.gather(*(cache.get(ask) for _ in range(100)))
    assert Counter(saved for _, saved in got) == {False: 1, True: 99}
    assert ask.count == 2
    assert await _scripts_run(redis) - before == 2
    assert cache.counted == {"miss": 2, "shared": 99}


async def _scripts_run(redis: Redis) -> int:
    return int((await redis.info("commandstats"))["cmdstat_evalsha"]["calls"])


async def test_those_who_wait_elsewhere_get_the_answer_and_ask_redis_seldom(redis: Redis, cache_of: MakeCache) -> None:
    ask = Asked()
    ask.may_answer.clear()
    holder, others = cache_of(), [cache_of() for _ in range(3)]
    holding = asyncio.create_task(holder.get(ask))
    await until(lambda: ask.count == 1)
    waiting = [asyncio.create_task(others[number % 3].get(ask)) for number in range(60)]
    await asyncio.sleep(0.5)
    before = await _scripts_run(redis)
    await asyncio.sleep(1.5)
    assert await _scripts_run(redis) - before <= 3 * 13
    ask.may_answer.set()
    assert await holding == (ANSWER, False)
    assert await asyncio.gather(*waiting) == [(ANSWER, True)] * 60
    assert ask.count == 1
    assert [other.counted for other in others] == [{"shared": 20}] * 3


# Failures


async def test_a_failure_reaches_those_who_wait_and_is_not_kept(redis: Redis, cache_of: MakeCache) -> None:
    ask = Asked(FAILURE)
    ask.may_answer.clear()
    holder, other = cache_of(), cache_of()
    holding = [asyncio.create_task(failing(holder.get(ask))) for _ in range(3)]
    await until(lambda: ask.count == 1)
    waiting = [asyncio.create_task(failing(other.get(ask))) for _ in range(3)]
    await asyncio.sleep(0.1)
    ask.may_answer.set()
    errors = await asyncio.gather(*holding, *waiting)
    assert ask.count == 1
    assert {(error.failure_code, error.detail, error.may_retry, error.retry_after_seconds) for error in errors} == {
        ("llm_server_error", "the server is not well", True, 2.5)
    }
    assert len({id(error) for error in errors}) == 6
    assert [error.usage for error in errors] == [Usage(prompt_tokens=300)] + [None] * 5  # paid once
    assert all(ttl > 0 for ttl in [await redis.pttl(f"{BASE}:{name}") for name in await left(redis)])

    ask.outcome = ANSWER
    assert await other.get(ask) == (ANSWER, False)
    assert ask.count == 2
    assert holder.counted == {"miss": 1, "shared": 2}
    assert other.counted == {"shared": 3, "miss": 1}


@pytest.mark.parametrize("code", ["llm_truncated", "llm_refused"])
async def test_a_failure_that_is_the_models_own_answer_is_kept_without_its_cost(
    cache_of: MakeCache, code: LlmFailureCode
) -> None:
    asked = Asked(LlmFailed("cut after 300 tokens", code=code, usage=Usage(completion_tokens=300)))
    with pytest.raises(LlmFailed) as first:
        await cache_of().get(asked)
    with pytest.raises(LlmFailed, match="cut after 300 tokens") as second:
        await cache_of().get(asked)
    assert asked.count == 1
    assert first.value.usage == Usage(completion_tokens=300)
    assert second.value.usage is None, "it is paid once"
    assert (second.value.failure_code, second.value.may_retry) == (code, False)


async def test_a_bug_in_asking_concerns_its_own_process_only(redis: Redis, cache_of: MakeCache) -> None:
    broken, good = Asked(RuntimeError("a bug")), Asked()
    broken.may_answer.clear()
    holder, other = cache_of(), cache_of()
    holding = asyncio.create_task(holder.get(broken))
    await until(lambda: broken.count == 1)
    waiting = asyncio.create_task(other.get(good))
    await asyncio.sleep(0.05)
    broken.may_answer.set()
    with pytest.raises(RuntimeError, match="a bug"):
        await holding
    async with asyncio.timeout(NOT_LONG):
        assert await waiting == (ANSWER, False)


@pytest.mark.parametrize("value", [b"", b"{", b"\xff\xfe", b'{"text": 1}', b"null"])
async def test_a_cached_value_that_cannot_be_read_is_asked_for_again_and_replaced(
    redis: Redis, cache_of: MakeCache, value: bytes
) -> None:
    await redis.set(f"{BASE}:d1", value, ex=60)
    ask = Asked()
    cache = cache_of()
    assert await cache.get(ask) == (ANSWER, False)
    assert await cache.get(ask) == (ANSWER, True)
    assert ask.count == 1
    assert cache.counted == {"error": 1, "hit": 1}


async def test_a_key_of_another_kind_is_passed_by(redis: Redis, cache_of: MakeCache) -> None:
    await redis.lpush(f"{BASE}:d1", "not a string")
    await redis.expire(f"{BASE}:d1", 60)
    cache = cache_of()
    assert await cache.get(Asked()) == (ANSWER, False)
    assert cache.counted == {"error": 1}


# Time and cancellation


async def test_a_caller_waits_only_so_long_and_the_others_go_on(redis: Redis, cache_of: MakeCache) -> None:
    ask = Asked()
    ask.may_answer.clear()
    cache = cache_of()
    short = asyncio.create_task(failing(cache.get_or_ask("d1", ask, 0.1)))
    long = asyncio.create_task(cache.get(ask))
    assert (await short).failure_code == "llm_timeout"
    ask.may_answer.set()
    assert await long == (ANSWER, True)
    assert ask.count == 1


async def test_a_question_that_nobody_waits_for_is_given_up_and_its_lock_too(redis: Redis, cache_of: MakeCache) -> None:
    ask = Asked()
    ask.may_answer.clear()
    cache, other = cache_of(), cache_of()
    callers = [asyncio.create_task(cache.get(ask)) for _ in range(3)]
    await until(lambda: ask.count == 1)
    waiting = asyncio.create_task(other.get(Asked()))
    await asyncio.sleep(0.05)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    async with asyncio.timeout(NOT_LONG):
        assert await waiting == (ANSWER, False)
    assert await cache.get(ask) == (ANSWER, True)
    assert await left(redis) == ["d1"]


async def test_callers_cancelled_at_any_moment_leave_no_lock(redis: Redis, cache_of: MakeCache) -> None:
    cache = cache_of()

    async def ask() -> ChatAnswer:
        await asyncio.sleep(0.001)
        return ANSWER

    for number in range(100):
        tasks = [asyncio.create_task(cache.get(ask, f"d{number}")) for _ in range(3)]
        await asyncio.sleep(0.0001 * (number % 30))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await cache.close()
    assert not [name for name in await left(redis) if "lock" in name or "failed" in name]


async def test_a_lease_is_renewed_while_its_holder_asks(redis: Redis, cache_of: MakeCache) -> None:
    ask, second = Asked(), Asked()
    ask.may_answer.clear()
    holder, other = cache_of(0.5), cache_of(0.5)
    holding = asyncio.create_task(holder.get(ask))
    await until(lambda: ask.count == 1)
    waiting = asyncio.create_task(other.get(second))
    await asyncio.sleep(1.5)
    ask.may_answer.set()
    assert await holding == (ANSWER, False)
    assert await waiting == (ANSWER, True)
    assert second.count == 0


# Redis goes


async def test_without_redis_everybody_asks_for_himself(own_redis: RedisServer) -> None:
    redis = connect(own_redis.url)
    cache = Cache(redis, lease_seconds=30)
    ask = Asked()
    await cache.get(ask)
    own_redis.kill()
    async with asyncio.timeout(NOT_LONG):
        assert await cache.get(ask) == (ANSWER, False)
    own_redis.start()
    assert await cache.get(ask) == (ANSWER, True)
    assert ask.count == 2
    assert cache.counted == {"miss": 1, "error": 1, "hit": 1}
    await cache.close()
    await redis.aclose()


async def test_redis_may_go_while_an_answer_is_asked_for_or_waited_for(own_redis: RedisServer) -> None:
    redis = connect(own_redis.url)
    holder, other = Cache(redis, lease_seconds=30), Cache(redis, lease_seconds=30)
    ask, second = Asked(), Asked()
    ask.may_answer.clear()
    holding = asyncio.create_task(holder.get(ask))
    await until(lambda: ask.count == 1)
    waiting = asyncio.create_task(other.get(second))
    await asyncio.sleep(0.05)
    own_redis.kill()
    async with asyncio.timeout(NOT_LONG):
        assert await waiting == (ANSWER, False)
    ask.may_answer.set()
    assert await holding == (ANSWER, False)
    assert (second.count, other.counted) == (1, {"error": 1})
    own_redis.start()
    for cache in (holder, other):
        await cache.close()
    await redis.aclose()


async def test_a_redis_that_hangs_is_waited_for_only_so_long_and_keeps_no_lock(own_redis: RedisServer) -> None:
    redis = connect(own_redis.url)
    cache = Cache(redis, lease_seconds=30, redis_timeout_seconds=0.3)
    await cache.get(Asked(), "warm")
    process = own_redis._process
    assert process is not None
    process.send(signal.SIGSTOP)
    async with asyncio.timeout(NOT_LONG):
        assert await cache.get(Asked()) == (ANSWER, False)
    process.send(signal.SIGCONT)
    await cache.close()
    assert await left(redis) == ["warm"]
    await redis.aclose()


# Several processes


def worker(
    redis: RedisServer, server: CountingServer, output: Path, callers: int, lease_seconds: float = 30.0
) -> Process:
    return Process(
        [
            *(sys.executable, "-m", "tests.integration.shared.llm_worker", "cached", redis.url, server.url),
            *("--callers", str(callers), "--lease-seconds", str(lease_seconds)),
        ],
        output,
    )


async def asks(workers: Sequence[Process]) -> None:
    """Return when all of them have asked, or wait for the one that does."""
    await until(lambda: all(ASKS in process.printed() for process in workers))
    await asyncio.sleep(1.0)


async def ended(process: Process) -> list[tuple[str, bool]]:
    """What its callers got."""
    assert await asyncio.to_thread(process.wait, GENEROUS_SECONDS) == 0, process.printed()
    return [(text, saved) for text, saved in json.loads(process.printed().splitlines()[-1])]


async def test_fifty_callers_in_four_processes_ask_once(redis_server: RedisServer, tmp_path: Path) -> None:
    async with counting() as server:
        server.answering.clear()
        workers = [
            worker(redis_server, server, tmp_path / f"{number}.log", callers)
            for number, callers in enumerate((13, 13, 12, 12))
        ]
        await asks(workers)
        await until(lambda: len(server.arrivals) == 1)
        server.answering.set()
        got = [each for process in workers for each in await ended(process)]
        assert Counter(got) == {("1", True): 49, ("1", False): 1}
        assert len(server.arrivals) == 1


async def test_another_takes_over_from_a_holder_that_was_killed(redis_server: RedisServer, tmp_path: Path) -> None:
    async with counting() as server:
        server.answering.clear()
        holder = worker(redis_server, server, tmp_path / "holder.log", 5, lease_seconds=1.0)
        await until(lambda: len(server.arrivals) == 1)
        others = [worker(redis_server, server, tmp_path / f"{number}.log", 5, lease_seconds=1.0) for number in range(2)]
        await asks(others)
        await asyncio.sleep(1.0)  # with the second that `asks` waits, longer than the lease
        assert len(server.arrivals) == 1
        holder.kill()
        killed = time.monotonic()
        await until(lambda: len(server.arrivals) == 2)
        assert time.monotonic() - killed < NOT_LONG
        server.answering.set()
        got = [each for process in others for each in await ended(process)]
        assert Counter(got) == {("2", True): 9, ("2", False): 1}
        assert len(server.arrivals) == 2


async def test_a_holders_failure_reaches_those_who_wait_in_other_processes(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with counting() as server:
        server.answering.clear()
        server.status = "500 Internal Server Error"
        holder = worker(redis_server, server, tmp_path / "holder.log", 5)
        await until(lambda: len(server.arrivals) == 1)
        others = [worker(redis_server, server, tmp_path / f"{number}.log", 5) for number in range(3)]
        await asks(others)
        server.answering.set()
        got = [each for process in (holder, *others) for each in await ended(process)]
        assert Counter(got) == {("llm_server_error", False): 20}
        assert len(server.arrivals) == 1
