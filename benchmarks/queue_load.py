"""Load through the queue, from a process of its own, with the project's own client.

``score`` sends given rollouts and tells each one's reward; ``pour`` sends any number of them and tells how many were
scored, and when a call was answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import uvloop

from benchmarks import workload
from benchmarks.processes import serve_commands
from shared.client import RewardClient
from shared.schemas import Rollout

TIMEOUT_SECONDS = 300.0
POOL = 8_192


async def score(command: dict[str, Any]) -> dict[str, Any]:
    """Let ``at_once`` requesters send all rollouts, ``each`` to a call."""
    asked = workload.rollouts(command["count"], command["shortest"], command["longest"], command["seed"])
    each = command["each"]
    parts = [asked[start : start + each] for start in range(0, len(asked), each)]
    async with RewardClient.from_url(command["url"], timeout_seconds=TIMEOUT_SECONDS) as reward:
        sent = await workload.send_all(
            parts, [reward.score] * command["at_once"], pause_seconds=command.get("pause_seconds", 0.0)
        )
    rewards = {score.id: score.reward for scores in sent.answers for score in scores if score.status == "scored"}
    return sent.report(rewards, len(asked))


async def pour(command: dict[str, Any]) -> dict[str, Any]:
    """The same for so many that neither they nor their scores are to be held."""
    parts = workload.in_parts(
        command["count"], command["each"], command["shortest"], command["longest"], command["seed"], POOL
    )
    async with RewardClient.from_url(command["url"], timeout_seconds=TIMEOUT_SECONDS) as reward:

        async def scored(part: Sequence[Rollout]) -> int:
            return sum(score.status == "scored" for score in await reward.score(part))

        sent = await workload.send_all(
            list(parts), [scored] * command["at_once"], pause_seconds=command.get("pause_seconds", 0.0)
        )
    return {
        "scored": sum(sent.answers),
        "seconds": sent.seconds,
        "cpu_seconds": sent.cpu_seconds,
        "latencies": sent.latencies,
    }


def answer(command: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked."""
    return uvloop.run(pour(command) if command["do"] == "pour" else score(command))


if __name__ == "__main__":
    serve_commands(answer)
