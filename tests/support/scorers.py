"""A scorer whose behaviour tests choose: by its arguments for all rollouts, by a marker in a completion for one."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from shared.errors import InvalidRequest, NotReady, ScoringFailed, TextTooLong
from shared.schemas import RewardInfo, RewardRange, Rollout, Usage
from shared.scorer import Outcome, Scored
from tests.support.waiting import until

FAILS = "【总是失败】"
"""The rollout fails, and might not the next time (but does)."""
FAILS_FOR_GOOD = "【不予评分】"
"""The rollout fails, and another try is of no use."""
RAISES = "【抛出异常】"
"""The whole batch that it is in raises."""
POISON = "【令进程崩溃】"
"""The process that scores it ends at once, without a word."""
NOT_A_NUMBER = "【非数】"
"""The reward computed for it is NaN."""
TOO_LONG = "【太长】"
"""It is longer than the scorer takes."""


def reward_of(rollout: Rollout) -> float:
    """The reward that `MarkedScorer` gives: something that differs and can be foretold."""
    return len(rollout.completion) / 1000


@dataclasses.dataclass(kw_only=True)
class MarkedScorer:
    """Scores by length, and misbehaves where a marker or an argument says so."""

    name: str = "greetings"
    seconds_per_batch: float = 0.0
    score_when: Path | None = None
    """A file without which no batch ends; so a test can look at a batch in work as long as it likes."""
    start_when: Path | None = None
    """A file without which `start` does not end."""
    start_fails: bool = False
    log: Path | None = None
    """Gets a line with the id of each rollout whose scoring begins."""
    ready: bool = True
    batches: list[list[str]] = dataclasses.field(default_factory=list)
    """The ids of every batch that was begun; only kept where there is no ``log``."""
    closed: int = 0

    def info(self) -> RewardInfo:
        return RewardInfo(
            name=self.name,
            version=f"{self.name}@test-1",
            range=RewardRange(minimum=0.0, maximum=None),
            description="Length in thousands of characters.",
            options={"mode": {"enum": ["plain", "polite"]}},
        )

    async def start(self) -> None:
        await _there(self.start_when)
        if self.start_fails:
            raise RuntimeError("the weights are not where they should be")

    async def close(self) -> None:
        self.closed += 1

    async def check(self) -> None:
        if not self.ready:
            raise NotReady("told not to be")

    def check_options(self, options: Mapping[str, JsonValue]) -> None:
        unknown = sorted(set(options) - {"mode"})
        if unknown:
            raise InvalidRequest(f"unknown options: {', '.join(unknown)}")
        mode = options.get("mode", "plain")
        if mode == "broken":
            raise RuntimeError("a bug in check_options")
        if mode not in ("plain", "polite"):
            raise InvalidRequest("mode is plain or polite")

    def cost(self, rollout: Rollout) -> int:
        if TOO_LONG in rollout.completion:
            raise TextTooLong("the completion is longer than this scorer takes")
        return len(rollout.prompt) + len(rollout.completion)

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> Sequence[Outcome]:
        self._note(rollouts)
        if self.seconds_per_batch:
            await asyncio.sleep(self.seconds_per_batch)
        await _there(self.score_when)
        completions = [rollout.completion for rollout in rollouts]
        if any(POISON in completion for completion in completions):
            os._exit(70)
        if any(RAISES in completion for completion in completions):
            raise RuntimeError("a bug in score")
        return [self._outcome(rollout) for rollout in rollouts]

    def _outcome(self, rollout: Rollout) -> Outcome:
        if FAILS in rollout.completion:
            return ScoringFailed("this one fails every time", code="judge_unsure", retryable=True)
        if FAILS_FOR_GOOD in rollout.completion:
            return ScoringFailed("this one is not scored", code="refused", retryable=False)
        if NOT_A_NUMBER in rollout.completion:
            return Scored(reward=float("nan"))
        return Scored(
            reward=reward_of(rollout),
            verdict=1 if len(rollout.completion) > 25 else 0,
            components={"length": reward_of(rollout)},
            usage=Usage(prompt_tokens=len(rollout.prompt)),
        )

    def _note(self, rollouts: Sequence[Rollout]) -> None:
        if self.log is None:
            self.batches.append([rollout.id for rollout in rollouts])
            return
        lines = "".join(f"{rollout.id}\n" for rollout in rollouts)
        descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, lines.encode())  # one call: lines of several processes do not mix
        finally:
            os.close(descriptor)


async def _there(path: Path | None) -> None:
    if path is not None:
        await until(path.exists, f"somebody makes {path.name}", timeout_seconds=600)
