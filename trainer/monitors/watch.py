"""What the values of monitors amount to, step by step; from the log alone."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainer.logged import figures_in
from trainer.monitors.monitor import Figures, Monitor
from trainer.monitors.threshold import Level, Threshold, steady


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a monitor says of a step that it has a value for.

    Attributes:
        value: Of the step.
        steady: Of the last steps; None before there are enough.
        level: Where the steady value stands; calm where there is none.
    """

    value: float
    steady: float | None
    level: Level


class Watch:
    """One monitor with its threshold and its window."""

    def __init__(self, monitor: Monitor, threshold: Threshold) -> None:
        self.monitor = monitor
        self.threshold = threshold
        self.reading: Reading | None = None
        """The last one: a step without a value changes nothing."""
        self._values: collections.deque[float] = collections.deque(maxlen=threshold.steps)

    @property
    def level(self) -> Level:
        """Where it stands."""
        return Level.CALM if self.reading is None else self.reading.level

    def observe(self, figures: Figures) -> Reading | None:
        """Take in one step; None where it has no value."""
        value = self.monitor.observe(figures)
        if value is None or not math.isfinite(value):
            return None
        self._values.append(value)
        direction = self.monitor.direction
        mean = steady(self._values, direction) if len(self._values) == self.threshold.steps else None
        level = Level.CALM if mean is None else self.threshold.level(mean, direction)
        self.reading = Reading(value=value, steady=mean, level=level)
        return self.reading

    def told(self, level: Level) -> str:
        """In a sentence, why it is at a level that it is at."""
        bound = self.threshold.stop if level is Level.STOP else self.threshold.warn
        assert self.reading is not None
        assert self.reading.steady is not None
        assert bound is not None
        side = "least" if self.monitor.direction == "low" else "most"
        over = f"the last {self.threshold.steps} values" if self.threshold.steps > 1 else "the last value"
        return f"{self.monitor.name} is {self.reading.steady:.3g} over {over}, and {bound:g} is the {side} allowed"


class Watches:
    """All that a run watches."""

    def __init__(self, monitors: Iterable[Monitor], thresholds: Mapping[str, Threshold]) -> None:
        self.watches: Sequence[Watch] = [Watch(monitor, thresholds[monitor.name]) for monitor in monitors]

    @property
    def stopped(self) -> Watch | None:
        """The first that says stop."""
        return next((watch for watch in self.watches if watch.level is Level.STOP), None)

    def observe(self, logged: Mapping[str, Any]) -> dict[str, Reading]:
        """Take in what was logged of a step; the readings that it gave, by the monitor's name."""
        figures = figures_in(logged)
        readings = {watch.monitor.name: watch.observe(figures) for watch in self.watches}
        return {name: reading for name, reading in readings.items() if reading is not None}
