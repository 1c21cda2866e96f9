"""Load through the queue, from a process of its own, with the project's own client."""

from __future__ import annotations

from typing import Any

import uvloop

from benchmarks import workload
from benchmarks.processes import serve_commands
from shared.client import RewardClient


async def run(command: dict[str, Any]) -> dict[str, Any]:
    """Let ``at_once`` requesters send all rollouts, ``each`` to a call."""
    asked = workload.rollouts(command["count"], command["shortest"], command["longest"], command["seed"])
    each = command["each"]
    parts = [asked[start : start + each] for start in range(0, len(asked), each)]
    async with RewardClient.from_url(command["url"], timeout_seconds=300) as reward:
        sent = await workload.send_all(
            parts, [reward.score] * command["at_once"], pause_seconds=command.get("pause_seconds", 0.0)
        )
    rewards = {score.id: score.reward for scores in sent.answers for score in scores if score.status == "scored"}
    return sent.report(rewards, len(asked))


if __name__ == "__main__":
    serve_commands(lambda command: uvloop.run(run(command)))
