"""What a rollout in the queue takes of Redis' memory, waiting and done, and how many connections a service holds.

python -m benchmarks.queue_memory

Texts are those of the starter set. Nothing is timed, so a busy machine does not matter.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Final, cast

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from rich.console import Console

from benchmarks.processes import redis_server, service
from benchmarks.tables import Section
from shared.client.queue import MAX_QUEUED_ROLLOUTS
from shared.llm.cache import AnswerCache
from shared.llm.chat import MAX_TOP_LOGPROBS, ChatAnswer, LlmUsage, TokenLogprobs
from shared.llm.metrics import LlmMetrics
from shared.queue.broker import Broker, Completion, connect
from shared.queue.messages import QueuedRollout, queued
from shared.schemas import Rollout, Score, Usage
from trainer.data.starter import load_starter

REWARD: Final = "judge"
ROLLOUTS: Final = 20_000
ANSWERS: Final = 5_000
EACH: Final = 256
"""Rollouts of one request."""
SETTLE_SECONDS: Final = 6.0
"""Longer than a service takes between two reports to Redis."""


async def measure(url: str, folder: Path) -> list[list[str]]:
    """Rows: what, and how much."""
    client = Redis.from_url(url)
    broker = Broker(connect(url), REWARD)
    await broker.ensure_group()
    empty = await memory(client)
    requests = await enqueue(broker)
    waiting = await memory(client)
    await work_off(broker)
    done = await memory(client)
    for request in requests:
        await broker.forget(request)
    kept = await memory(client)
    await broker.aclose()
    cached = await answers(client, connect(url))
    held = await connections(client, url, folder)
    version = (await client.info("server"))["redis_version"]
    await client.aclose()
    each = (waiting - empty) / ROLLOUTS
    return [
        ["waiting: bytes for each rollout", f"{each:,.0f}"],
        ["scored, result not fetched yet: bytes for each rollout", f"{(done - empty) / ROLLOUTS:,.0f}"],
        ["fetched: bytes for each rollout", f"{max(0.0, kept - empty) / ROLLOUTS:,.0f}"],
        [f"a full stream ({MAX_QUEUED_ROLLOUTS:,} rollouts): MiB", f"{each * MAX_QUEUED_ROLLOUTS / 2**20:,.0f}"],
        ["an answer of the judge in the cache: bytes", f"{cached:,.0f}"],
        ["connections of one service that waits", str(held)],
        ["Redis", str(version)],
    ]


async def enqueue(broker: Broker) -> list[str]:
    """Add all rollouts, as a trainer does; returns the requests."""
    pairs = load_starter("train")
    requests = []
    for start in range(0, ROLLOUTS, EACH):
        request = uuid.uuid4().hex
        rollouts = []
        for number in range(start, min(start + EACH, ROLLOUTS)):
            pair = pairs[number % len(pairs)]
            rollouts.append(
                Rollout(
                    id=f"{request}-{number}",
                    prompt=pair.prompt,
                    completion=pair.chosen,
                    group=f"{request}-{number // 8}",
                )
            )
        payloads = queued(request, rollouts, {}, request)
        await broker.enqueue(request, payloads, max_length=MAX_QUEUED_ROLLOUTS, left_ms=600_000)
        requests.append(request)
    return requests


async def work_off(broker: Broker) -> None:
    """Complete them all, with scores such as the judge's."""
    while entries := await broker.read("consumer", EACH):
        completions = []
        for entry in entries:
            message = QueuedRollout.model_validate_json(entry.data)
            score = Score(
                id=message.rollout.id,
                status="scored",
                reward=0.8243137,
                verdict=1,
                components={"disagreement": 0.0, "label_mass": 0.9713},
                version="judge@greetings-v1#69a40dbd/logprob#1f0c22ab",
                usage=Usage(prompt_tokens=1843, completion_tokens=1),
                latency_seconds=0.412,
            )
            completions.append(
                Completion(
                    entry=entry.id, request=message.request, result_ttl_ms=600_000, result=score.model_dump_json()
                )
            )
        await broker.complete(completions)


async def answers(client: Redis, redis: Redis) -> float:
    """Bytes of one cached answer with log-probabilities, key included."""
    before = await memory(client)
    cache = AnswerCache(redis, REWARD, ttl_seconds=600, metrics=LlmMetrics(CollectorRegistry()))
    chance = random.Random(1)

    async def ask() -> ChatAnswer:
        top = tuple((chance.choice("好差优劣的一是不了在"), -20 * chance.random()) for _ in range(MAX_TOP_LOGPROBS))
        token = TokenLogprobs(token="好", logprob=top[0][1], top=top)
        usage = LlmUsage(prompt_tokens=1843, cached_prompt_tokens=1700, completion_tokens=1)
        return ChatAnswer(text="好", tokens=(token,), finish_reason="length", model="model", usage=usage)

    for number in range(ANSWERS):
        await cache.get_or_ask(hashlib.sha256(str(number).encode()).hexdigest(), ask, 30.0)
    await cache.close()
    await redis.aclose()
    return (await memory(client) - before) / ANSWERS


async def connections(client: Redis, url: str, folder: Path) -> int:
    """How many connections a service of this queue holds while it waits for work."""
    before = len(await client.client_list())
    async with service("benchmarks.noop_service", folder / "service.log", {"redis_url": url}):
        await asyncio.sleep(SETTLE_SECONDS)
        return len(await client.client_list()) - before


async def memory(client: Redis) -> int:
    """Bytes that Redis' data take, without its buffers for clients and the file."""
    return cast("int", (await client.memory_stats())["dataset.bytes"])


def main() -> None:
    """Measure and print."""

    async def run() -> list[list[str]]:
        with tempfile.TemporaryDirectory(prefix="zhufu-bench-") as folder:
            async with redis_server(Path(folder)) as url:
                return await measure(url, Path(folder))

    rows = asyncio.run(run())
    section = Section(title="The queue in Redis", text="", columns=["", ""], rows=rows)
    Console(file=sys.stdout).print(section.table())


if __name__ == "__main__":
    main()
