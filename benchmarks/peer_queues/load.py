"""What both peers have in common: commands in, figures out, and how rollouts become jobs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks import workload

URL_VARIABLE = "ZHUFU_BENCHMARK_REDIS"
POLL_SECONDS = 0.005
"""Both peers ask Redis again and again for a result. By default every 0.2 s (taskiq) or 0.5 s (arq), which would be
their latency; shorter than this, the asking takes more than the work."""
TIMEOUT_SECONDS = 300.0
POOL = 8_192

Job = dict[str, Any]
Ask = Callable[[Job], Awaitable[Job]]
"""Adds one job and returns its result."""


def redis_url() -> str:
    """Of the Redis that all share."""
    return os.environ[URL_VARIABLE]


def scored(rollout: Job) -> Job:
    """The work: the same reward for every rollout, in the form of a score."""
    return {"id": rollout["id"], "status": "scored", "reward": 1.0, "version": "peer@1", "latency_seconds": 0.0}


async def pour(command: dict[str, Any], ask: Ask) -> dict[str, Any]:
    """Let ``at_once`` requesters send all rollouts, ``each`` to a call, which awaits all its results."""
    parts = workload.in_parts(
        command["count"], command["each"], command["shortest"], command["longest"], command["seed"], POOL
    )
    jobs = [[rollout.model_dump() for rollout in part] for part in parts]

    async def call(part: Sequence[Job]) -> int:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            results = await asyncio.gather(*map(ask, part))
        return sum(result["status"] == "scored" for result in results)

    sent = await workload.send_all(jobs, [call] * command["at_once"], pause_seconds=command.get("pause_seconds", 0.0))
    return {
        "scored": sum(sent.answers),
        "seconds": sent.seconds,
        "cpu_seconds": sent.cpu_seconds,
        "latencies": sent.latencies,
    }


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """As `benchmarks.processes.serve_commands`, which needs more packages than the peers have."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
