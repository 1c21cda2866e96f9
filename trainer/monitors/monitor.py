"""What every monitor is, and what it is given."""

from __future__ import annotations

import abc
import dataclasses
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Final

from shared.schemas import Rollout
from trainer.monitors.threshold import Direction

START_STEPS: Final = 5
"""The first so many values are what later ones are compared with, where a monitor compares with the run's start."""

Figures = Mapping[str, float]
"""All that was logged of a step, by name; what a step does not have is not there."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoredStep:
    """The rollouts of one step, or this process's share of them, and what they got.

    Attributes:
        rollouts: Never none.
        rewards: What the policy climbs, the weighted sum; None for a rollout that one of the rewards failed on.
        flags: Of all scores of a rollout, shadows too.
    """

    rollouts: Sequence[Rollout]
    rewards: Sequence[float | None]
    flags: Sequence[Collection[str]]

    @property
    def completions(self) -> list[str]:
        """What the policy wrote."""
        return [rollout.completion for rollout in self.rollouts]


class Monitor(abc.ABC):
    """One thing that is watched.

    `observe` is called once for each step, in their order, and may remember; nothing else may decide what it says.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """For people, in Chinese and English."""
    unit: ClassVar[str]
    direction: ClassVar[Direction] = "high"

    @property
    def figure(self) -> str:
        """The name under which `measure` is logged."""
        return f"policy/{self.name}"

    def measure(self, step: ScoredStep) -> float | None:
        """What the texts of a step say; None where they say nothing, or where the log says it all."""
        return None

    @abc.abstractmethod
    def observe(self, figures: Figures) -> float | None:
        """The value of a step; None where it has none."""


class MeasuredMonitor(Monitor):
    """One whose value is what it measured."""

    def observe(self, figures: Figures) -> float | None:
        """The value of a step; None where it has none."""
        return figures.get(self.figure)


class Start:
    """The mean of a figure over the first values of a run: what later ones are compared with."""

    def __init__(self, count: int = START_STEPS) -> None:
        self._count = count
        self._first: list[float] = []

    def take(self, value: float) -> float | None:
        """The mean, once it stands; until then the value is taken in, and there is none."""
        if len(self._first) < self._count:
            self._first.append(value)
            return None
        return statistics.fmean(self._first)
