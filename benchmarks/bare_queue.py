"""The least that a queue on Redis Streams does for one rollout, by redis-py: what a round trip cannot undercut.

``serve`` answers so many entries, ``ask`` adds so many, one after the other, and reads each one's answer. Nothing is
parsed, checked, leased anew, counted or tried again.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import uvloop
from redis.asyncio import Redis

from benchmarks import workload
from benchmarks.processes import serve_commands
from shared.queue.broker import connect

STREAM, GROUP, CONSUMER = "bare:rollouts", "bare", "one"
BLOCK_MS = 10_000
TTL_MS = 60_000
ANSWER = b'{"scores":[{"id":"r0","status":"scored","reward":1.0,"version":"noop@1","latency_seconds":0.0}]}'


async def prepare(redis: Redis) -> dict[str, Any]:
    """Make the stream and its group."""
    await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    return {}


async def serve(redis: Redis, count: int) -> dict[str, Any]:
    """Read an entry, answer it, acknowledge and delete it; ``count`` times."""
    used = time.process_time()
    for _ in range(count):
        read: Any = await redis.xreadgroup(GROUP, CONSUMER, {STREAM: ">"}, count=1, block=BLOCK_MS)
        ((_, ((entry, fields),)),) = read.items() if isinstance(read, dict) else read
        result = fields[b"answer"]
        async with redis.pipeline(transaction=False) as pipeline:
            pipeline.xadd(result, {b"data": ANSWER})
            pipeline.pexpire(result, TTL_MS)
            pipeline.xack(STREAM, GROUP, entry)
            pipeline.xdel(STREAM, entry)
            await pipeline.execute()
    return {"cpu_seconds": time.process_time() - used}


async def ask(redis: Redis, command: dict[str, Any]) -> dict[str, Any]:
    """Add a rollout, wait for its answer, remove that; the next one."""
    made = workload.rollouts(command["count"], command["shortest"], command["longest"], command["seed"])

    async def answered(payload: str) -> bool:
        result = f"bare:results:{uuid.uuid4().hex}"
        await redis.xadd(STREAM, {"answer": result, "data": payload})
        read = await redis.xread({result: "0"}, count=1, block=BLOCK_MS)
        await redis.delete(result)
        return bool(read)

    sent = await workload.send_all([rollout.model_dump_json() for rollout in made], [answered])
    return {"answered": sum(sent.answers), "latencies": sent.latencies, "cpu_seconds": sent.cpu_seconds}


async def done(command: dict[str, Any]) -> dict[str, Any]:
    """One command, with connections of its own."""
    redis = connect(command["url"], socket_timeout_seconds=None)
    try:
        if command["do"] == "prepare":
            return await prepare(redis)
        if command["do"] == "serve":
            return await serve(redis, command["count"])
        return await ask(redis, command)
    finally:
        await redis.aclose()


if __name__ == "__main__":
    serve_commands(lambda command: uvloop.run(done(command)))
