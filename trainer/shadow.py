"""One step's questions to a shadow: a reward that is logged and not climbed, and not long waited for.

They go out in parts, so that a slow shadow, such as an LLM judge on a laptop, gives what it had scored when the step
went on, and not nothing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

from shared.client import RewardClient
from shared.errors import DeadlineExpired, ZhufuError
from shared.schemas import Rollout, Score, ScoreFailure, Status

PARTS: Final = 8
"""Requests for one step at most: each is scored or given up as a whole."""


class Shadow:
    """Asks at once, in parts; belongs to the event loop that made it.

    Args:
        client: Of the reward.
        rollouts: Of the step, those of a group side by side.
    """

    def __init__(self, client: RewardClient, rollouts: Sequence[Rollout]) -> None:
        self._parts = [(part, asyncio.create_task(client.score(part))) for part in parts_of(rollouts)]

    @property
    def tasks(self) -> list[asyncio.Task[list[Score]]]:
        """One for each part; whoever made this waits for them, and ends them."""
        return [task for _, task in self._parts]

    def scores(self) -> list[Score]:
        """One for each rollout, in order, when all tasks have ended.

        Typed failures stand for what a shadow refused or was away for, and for what took too long.
        """
        return [score for part, task in self._parts for score in _scores(part, task)]


def parts_of(rollouts: Sequence[Rollout]) -> list[list[Rollout]]:
    """At most `PARTS` neighbouring parts with about as many groups each; none divides a group."""
    groups = [list(members) for _, members in itertools.groupby(rollouts, key=lambda rollout: rollout.group)]
    count = max(1, min(PARTS, len(groups)))
    ends = [len(groups) * part // count for part in range(count + 1)]
    return [list(itertools.chain(*groups[begin:end])) for begin, end in itertools.pairwise(ends)]


def _scores(part: Sequence[Rollout], task: asyncio.Task[list[Score]]) -> list[Score]:
    error: ZhufuError
    if task.cancelled():
        status: Status = "expired"
        error = DeadlineExpired("a shadow is not waited for longer than this")
    else:
        raised = task.exception()
        if raised is None:
            return task.result()
        if not isinstance(raised, ZhufuError):
            raise raised
        status, error = "failed", raised
    failure = ScoreFailure(code=error.code, detail=error.detail, retryable=True)
    return [
        Score(id=rollout.id, status=status, reward=None, error=failure, version="unknown", latency_seconds=0.0)
        for rollout in part
    ]
