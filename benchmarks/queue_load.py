"""Load through the queue, from a process of its own, with the project's own client."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import uvloop

from benchmarks import workload
from benchmarks.processes import serve_commands
from shared.client import RewardClient
from shared.schemas import Score


async def run(command: dict[str, Any]) -> dict[str, Any]:
    """Let ``at_once`` requesters send all rollouts, ``each`` to a call."""
    asked = workload.rollouts(command["count"], command["shortest"], command["longest"], command["seed"])
    each = command["each"]
    waiting = [asked[start : start + each] for start in range(0, len(asked), each)]
    waiting.reverse()
    scores: list[Score] = []
    seconds: list[float] = []
    async with RewardClient.from_url(command["url"], timeout_seconds=300) as reward:

        async def keep_asking() -> None:
            while waiting:
                begun = time.perf_counter()
                scores.extend(await reward.score(waiting.pop()))
                seconds.append(time.perf_counter() - begun)
                if command.get("pause_seconds"):
                    await asyncio.sleep(command["pause_seconds"])

        used = time.process_time()
        begun = time.perf_counter()
        await asyncio.gather(*(keep_asking() for _ in range(command["at_once"])))
        took = time.perf_counter() - begun
        used = time.process_time() - used
    rewards = {score.id: score.reward for score in scores if score.status == "scored"}
    return {"seconds": took, "cpu_seconds": used, "latencies": seconds, "rewards": rewards, "asked": len(asked)}


if __name__ == "__main__":
    serve_commands(lambda command: uvloop.run(run(command)))
