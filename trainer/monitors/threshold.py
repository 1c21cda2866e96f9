"""From where on a value is bad, and for how long it has to be."""

from __future__ import annotations

import dataclasses
import enum
import math
import statistics
from collections.abc import Sequence
from typing import Literal

from shared.errors import InvalidRequest

Direction = Literal["high", "low", "either"]
"""Which values are bad: high ones, low ones, or those far from 0 on either side."""


class Level(enum.IntEnum):
    """How bad it is."""

    CALM = 0
    WARN = 1
    STOP = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """When a monitor warns, and when it stops the run.

    Attributes:
        warn: Beyond this it warns; None: never.
        stop: Beyond this it stops the run; None: never.
        steps: Over how many of the last values the mean is taken that is compared with both; see `steady`.

    Raises:
        InvalidRequest: A bound is not finite, or it is taken over no step.
    """

    warn: float | None
    stop: float | None
    steps: int

    def __post_init__(self) -> None:
        if not all(math.isfinite(bound) for bound in (self.warn, self.stop) if bound is not None):
            raise InvalidRequest("the bound of a monitor is a finite number")
        if self.steps < 1:
            raise InvalidRequest(f"a monitor looks at one step at least, not at {self.steps}")

    def check(self, direction: Direction) -> None:
        """Raise `InvalidRequest` where the run would stop before anything had warned, or would always stop."""
        if direction == "either" and any(bound < 0 for bound in (self.warn, self.stop) if bound is not None):
            raise InvalidRequest("its bounds hold on either side of 0: write them without a sign")
        if self.warn is None or self.stop is None:
            return
        if (self.stop < self.warn) if direction != "low" else (self.stop > self.warn):
            raise InvalidRequest(f"it would stop at {self.stop:g}, before it warns at {self.warn:g}")

    def level(self, value: float, direction: Direction) -> Level:
        """Where a steady value stands; exactly at a bound is not beyond it."""
        if self.stop is not None and _beyond(value, self.stop, direction):
            return Level.STOP
        if self.warn is not None and _beyond(value, self.warn, direction):
            return Level.WARN
        return Level.CALM


def steady(values: Sequence[float], direction: Direction) -> float:
    """The mean of some values, the worst of them left out, so that one odd step moves nothing; one value is itself.

    A truncated mean (Tukey 1962, https://doi.org/10.1214/aoms/1177704711), cut on the bad side only and by one value.
    """
    if len(values) < 2:
        return values[0]
    bad_is_low = direction == "low" or (direction == "either" and sum(values) < 0)
    ordered = sorted(values)
    return statistics.fmean(ordered[1:] if bad_is_low else ordered[:-1])


def _beyond(value: float, bound: float, direction: Direction) -> bool:
    if direction == "low":
        return value < bound
    return (abs(value) if direction == "either" else value) > bound
