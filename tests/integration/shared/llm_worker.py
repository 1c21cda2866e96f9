"""One process of a fleet: asks a counting server through the limiter, or one question through the cache."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time

import httpx
from prometheus_client import CollectorRegistry

from shared.llm.cache import AnswerCache
from shared.llm.chat import ChatAnswer, LlmUsage
from shared.llm.errors import LlmFailed
from shared.llm.limits import FleetLimiter, LimitSettings
from shared.llm.metrics import LlmMetrics
from shared.queue.broker import connect

ASKS = "asks now"
"""Printed before the question is asked."""


def answer(text: str) -> ChatAnswer:
    usage = LlmUsage(prompt_tokens=1, cached_prompt_tokens=0, completion_tokens=1)
    return ChatAnswer(text=text, tokens=(), finish_reason="stop", model="test", usage=usage)


async def limited(redis_url: str, server_url: str, settings: LimitSettings, callers: int, seconds: float) -> None:
    """Ask as often as the limit allows."""
    redis = connect(redis_url)
    limiter = FleetLimiter(redis, "limit", settings)
    deadline = time.monotonic() + seconds

    async def ask_again_and_again(client: httpx.AsyncClient) -> None:
        while (left := deadline - time.monotonic()) > 0:
            try:
                permit = await limiter.acquire(1, timeout_seconds=left)
            except LlmFailed as error:
                if error.failure_code != "llm_limit_wait":
                    raise
                return
            response = await client.post(server_url, content=str(os.getpid()))
            response.raise_for_status()
            await permit.finish(1, "ok")

    async with httpx.AsyncClient(trust_env=False, timeout=60) as client, asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(ask_again_and_again(client))
    await limiter.close()
    await redis.aclose()


async def cached(redis_url: str, server_url: str, lease_seconds: float, callers: int, digest: str) -> None:
    """Ask one question many times at once; print what came of it."""
    redis = connect(redis_url)
    metrics = LlmMetrics(CollectorRegistry())
    cache = AnswerCache(redis, "judge", ttl_seconds=60, lease_seconds=lease_seconds, metrics=metrics)

    async def one(client: httpx.AsyncClient) -> tuple[str, bool]:
        async def ask() -> ChatAnswer:
            response = await client.post(server_url, content=str(os.getpid()))
            if response.status_code != 200:
                raise LlmFailed("the server is not well", code="llm_server_error", retry_after_seconds=7)
            return answer(response.text)

        try:
            got, saved = await cache.get_or_ask(digest, ask, timeout_seconds=60)
        except LlmFailed as error:
            return error.failure_code, False
        return got.text, saved

    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        print(ASKS, flush=True)  # noqa: T201
        print(json.dumps(await asyncio.gather(*(one(client) for _ in range(callers)))), flush=True)  # noqa: T201
    await cache.close()
    await redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("limited", "cached"))
    parser.add_argument("redis_url")
    parser.add_argument("server_url")
    parser.add_argument("--callers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--lease-seconds", type=float, default=30.0)
    parser.add_argument("--digest", default="d1")
    given = parser.parse_args()
    if given.role == "limited":
        settings = LimitSettings(**given.settings)
        asyncio.run(limited(given.redis_url, given.server_url, settings, given.callers, given.seconds))
    else:
        asyncio.run(cached(given.redis_url, given.server_url, given.lease_seconds, given.callers, given.digest))


if __name__ == "__main__":
    main()
