"""taskiq with its broker on Redis Streams and its result backend: https://taskiq-python.github.io."""

from __future__ import annotations

import os
from typing import Any

import uvloop
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peer_queues.load import POLL_SECONDS, TIMEOUT_SECONDS, URL_VARIABLE, Job, pour, redis_url, scored, serve

RESULT_SECONDS = 600


async def score(rollout: Job) -> Job:
    """The task."""
    return scored(rollout)


def made_broker() -> Any:
    """A broker with its task; results are removed when they were read."""
    results = RedisAsyncResultBackend(redis_url=redis_url(), keep_results=False, result_ex_time=RESULT_SECONDS)
    made = RedisStreamBroker(url=redis_url()).with_result_backend(results)
    made.register_task(score, task_name="score")
    return made


if URL_VARIABLE in os.environ:
    broker = made_broker()  # where ``taskiq worker`` looks for it


async def run(command: dict[str, Any]) -> dict[str, Any]:
    """Make load."""
    client = made_broker()
    await client.startup()
    task = client.find_task("score")

    async def ask(rollout: Job) -> Job:
        sent = await task.kiq(rollout)
        result: Job = (await sent.wait_result(check_interval=POLL_SECONDS, timeout=TIMEOUT_SECONDS)).return_value
        return result

    try:
        return await pour(command, ask)
    finally:
        await client.shutdown()


if __name__ == "__main__":
    serve(lambda command: uvloop.run(run(command)))
