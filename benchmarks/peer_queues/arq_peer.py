"""arq: https://arq-docs.helpmanual.io."""

from __future__ import annotations

import os
from typing import Any

import uvloop
from arq import create_pool
from arq.connections import RedisSettings

from benchmarks.peer_queues.load import POLL_SECONDS, TIMEOUT_SECONDS, URL_VARIABLE, Job, pour, redis_url, scored, serve

MAX_JOBS = 256
RESULT_SECONDS = 600


async def score(_: dict[str, Any], rollout: Job) -> Job:
    """The task."""
    return scored(rollout)


class WorkerSettings:
    """What ``arq`` runs; it looks for jobs as often as requesters look for results, not only every 0.5 s."""

    functions = (score,)
    redis_settings = RedisSettings.from_dsn(redis_url()) if URL_VARIABLE in os.environ else RedisSettings()
    max_jobs = MAX_JOBS
    poll_delay = POLL_SECONDS
    keep_result = RESULT_SECONDS


async def run(command: dict[str, Any]) -> dict[str, Any]:
    """Make load."""
    pool = await create_pool(RedisSettings.from_dsn(redis_url()))

    async def ask(rollout: Job) -> Job:
        job = await pool.enqueue_job("score", rollout)
        result: Job = await job.result(timeout=TIMEOUT_SECONDS, poll_delay=POLL_SECONDS)
        return result

    try:
        return await pour(command, ask)
    finally:
        await pool.aclose()


if __name__ == "__main__":
    serve(lambda command: uvloop.run(run(command)))
