"""Length: whether the reward goes with it, whether it moves, and whether it runs into the limit."""

from __future__ import annotations

import collections
import math
import statistics
from typing import ClassVar

from trainer.monitors.monitor import Figures, MeasuredMonitor, Monitor, ScoredStep, Start
from trainer.monitors.threshold import Direction


class LengthCorrelation(MeasuredMonitor):
    """Pearson correlation of reward and length among the completions of the same prompt.

    Both are taken from their mean over a prompt's completions, as GRPO takes its advantages: what prompts differ in
    teaches the policy nothing. Source of the worry: Singhal et al. 2023, https://arxiv.org/abs/2310.03716.
    """

    name = "length_correlation"
    title = "奖励与长度的相关 · reward follows length"
    unit = "correlation"
    direction: ClassVar[Direction] = "either"

    def measure(self, step: ScoredStep) -> float | None:
        """None where rewards or lengths do not differ within any group."""
        groups: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
        for number, (rollout, reward) in enumerate(zip(step.rollouts, step.rewards, strict=True)):
            if reward is not None:
                groups[rollout.group or str(number)].append((reward, float(len(rollout.completion))))
        pairs = [pair for members in groups.values() for pair in _centred(members)]
        together = math.fsum(reward * length for reward, length in pairs)
        spread = math.hypot(*(reward for reward, _ in pairs)) * math.hypot(*(length for _, length in pairs))
        return together / spread if spread > 0 else None


class LengthChange(Monitor):
    """How often mean length has doubled since the run's start: 1 is twice as long, -1 half as long."""

    name = "length_change"
    title = "长度变化 · length against the start"
    unit = "doublings"
    direction: ClassVar[Direction] = "either"

    def __init__(self) -> None:
        self._start = Start()

    def observe(self, figures: Figures) -> float | None:
        """None in the first steps. One character is added, so that a policy which writes nothing has a value too."""
        if (characters := figures.get("policy/characters")) is None:
            return None
        start = self._start.take(characters)
        return None if start is None else math.log2((characters + 1) / (start + 1))


class Truncated(Monitor):
    """Share of the completions that ran into the token limit."""

    name = "truncated"
    title = "写到上限被截断 · ran into the limit"
    unit = "share"

    def observe(self, figures: Figures) -> float | None:
        """TRL's own figure."""
        return figures.get("completions/clipped_ratio")


def _centred(members: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Exactly 0 where all are alike, whatever rounding makes of their mean."""
    rewards, lengths = zip(*members, strict=True)
    reward, length = (
        values[0] if min(values) == max(values) else statistics.fmean(values) for values in (rewards, lengths)
    )
    return [(one - reward, other - length) for one, other in members]
