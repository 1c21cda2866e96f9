"""The requester of a round, in a process of its own: ``python -m tests.chaos.requester``.

It asks through the client that the trainer uses, several calls at a time, and writes down each call before it is made
and its outcomes before the next. Killed and started again, it asks once more for what has no outcome, as a training run
does that repeats its step. A reward that is away for longer than a call may wait is asked again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from shared.client import RewardClient
from shared.errors import RewardUnavailable
from shared.schemas import Rollout
from tests.chaos.journal import Journal, Outcome, Received, Submitted, Unavailable, outcomes_of

CALLS_AT_ONCE = 4


async def ask_for_all(
    client: RewardClient, rollouts: Sequence[Rollout], journal: Journal, *, calls_of: int, limit_seconds: float
) -> None:
    """Ask in calls of so many rollouts until each has an outcome; TimeoutError beyond the limit."""
    slots = asyncio.Semaphore(CALLS_AT_ONCE)
    process = os.getpid()

    async def ask(part: Sequence[Rollout]) -> None:
        ids = [rollout.id for rollout in part]
        async with slots:
            while True:
                journal.write(Submitted(process=process, ids=ids))
                try:
                    scores = await client.score(part)
                except RewardUnavailable as error:
                    journal.write(Unavailable(process=process, ids=ids, why=error.detail))
                else:
                    journal.write(Received(process=process, outcomes=[Outcome.of(score) for score in scores]))
                    return

    async with asyncio.timeout(limit_seconds), asyncio.TaskGroup() as group:
        for start in range(0, len(rollouts), calls_of):
            group.create_task(ask(rollouts[start : start + calls_of]))


async def run(arguments: argparse.Namespace) -> None:
    rollouts = [Rollout.model_validate_json(line) for line in arguments.rollouts.read_bytes().splitlines()]
    done = {outcome.id for outcome in outcomes_of(arguments.journal)}
    journal = Journal(arguments.journal)
    try:
        async with RewardClient.from_url(arguments.url, timeout_seconds=arguments.timeout_seconds) as client:
            await ask_for_all(
                client,
                [rollout for rollout in rollouts if rollout.id not in done],
                journal,
                calls_of=arguments.calls_of,
                limit_seconds=arguments.limit_seconds,
            )
    finally:
        journal.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rollouts", type=Path, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--calls-of", type=int, required=True)
    parser.add_argument("--timeout-seconds", type=float, required=True, help="of one call")
    parser.add_argument("--limit-seconds", type=float, required=True, help="of all of them")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
