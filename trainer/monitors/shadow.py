"""Shadow rewards: whether what the policy climbs is what it was meant to become.

Rewards have different scales. What each has gained since the run's start is therefore counted in standard deviations of
single completions at that start. A proxy that rises while the reward behind it stays or falls is the picture of
overoptimisation: Gao et al. 2022, https://arxiv.org/abs/2210.10760.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from trainer.monitors.monitor import START_STEPS, Figures, Monitor, Start

LEAST_START: Final = 2
"""A shadow that is asked seldom is compared with so many values at least."""


class _Gain:
    """What one reward has gained, in standard deviations."""

    def __init__(self, mean: str, deviation: str, count: int) -> None:
        self._names = (mean, deviation)
        self._mean, self._deviation = Start(count), Start(count)

    def observe(self, figures: Figures) -> float | None:
        """None in the first steps, where the step has none, and where the first ones had no spread."""
        mean, deviation = map(figures.get, self._names)
        if mean is None or deviation is None:
            return None
        start, spread = self._mean.take(mean), self._deviation.take(deviation)
        return (mean - start) / spread if start is not None and spread else None


@dataclasses.dataclass(frozen=True, slots=True)
class Gains:
    """Of the climbed reward, and of each shadow that was asked at the step."""

    climbed: float
    shadows: Sequence[float]


class _ShadowMonitor(Monitor):
    """Args: names of the shadow rewards, and at which n-th step they are asked."""

    unit = "standard deviations"

    def __init__(self, shadows: Sequence[str], every: int) -> None:
        self._climbed = _Gain("reward", "reward_std", START_STEPS)
        count = max(LEAST_START, START_STEPS // every)
        self._shadows = [_Gain(f"rewards/{name}/mean", f"rewards/{name}/std", count) for name in shadows]

    def gains(self, figures: Figures) -> Gains | None:
        """None where no shadow has one yet."""
        climbed = self._climbed.observe(figures)
        seen = [gain.observe(figures) for gain in self._shadows]
        shadows = [gain for gain in seen if gain is not None]
        return Gains(climbed, shadows) if climbed is not None and shadows else None


class ShadowGap(_ShadowMonitor):
    """By how much the climbed reward has gained more than the shadow that has gained least."""

    name = "shadow_gap"
    title = "与影子奖励的差距 · ahead of the shadow"

    def observe(self, figures: Figures) -> float | None:
        """Below 0 where the shadows have gained more."""
        gains = self.gains(figures)
        return None if gains is None else gains.climbed - min(gains.shadows)


class ShadowFall(_ShadowMonitor):
    """How far the climbed reward has risen above the start, or the lowest shadow fallen below it: the smaller one.

    It is above 0 only where both is so. Nothing is cut off at 0: a mean over steps would rise with their noise.
    """

    name = "shadow_fall"
    title = "影子奖励下降 · the shadow falls"

    def observe(self, figures: Figures) -> float | None:
        """Below 0 where the shadow has risen, or the climbed reward fallen."""
        gains = self.gains(figures)
        return None if gains is None else min(gains.climbed, -min(gains.shadows))
