"""What monitors said in the course of a run, for its report."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer.evaluation.policies.copying import KnownTexts
from trainer.monitors.catalogue import MONITORS, build_monitors
from trainer.monitors.monitor import Monitor
from trainer.monitors.record import Segment
from trainer.monitors.threshold import Level, Threshold
from trainer.monitors.watch import Reading, Watches


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A threshold, and the steps that it held for: after the first, up to and with the last."""

    after: int
    last: int
    threshold: Threshold


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One monitor from the first step to the last.

    Attributes:
        monitor: What it is.
        readings: By step; of steps that have a value, and at which it was not off.
        bounds: In order; none where it was off all the time, or had nothing to watch.
    """

    monitor: type[Monitor]
    readings: Mapping[int, Reading]
    bounds: Sequence[Bounds]

    @property
    def warned(self) -> list[int]:
        """Steps at which it stood beyond its first bound, or its second."""
        return [step for step, reading in self.readings.items() if reading.level is not Level.CALM]

    @property
    def stopped(self) -> list[int]:
        """Steps after which it stopped the run; more than one where the run was resumed."""
        return [step for step, reading in self.readings.items() if reading.level is Level.STOP]

    @property
    def last(self) -> Reading | None:
        """None where it has no value."""
        return list(self.readings.values())[-1] if self.readings else None

    @property
    def is_off(self) -> bool:
        """Whether nothing was watched."""
        return not self.bounds


def stories(history: Sequence[Mapping[str, Any]], segments: Sequence[Segment]) -> list[Story]:
    """Of all monitors there are, in their order.

    Args:
        history: Of the run, in order; each line with its ``step``.
        segments: Of the same run.
    """
    last = int(history[-1]["step"]) if history else 0
    ends = [segment.after_step for segment in segments[1:]] + [last]
    told: dict[str, tuple[dict[int, Reading], list[Bounds]]] = {name: ({}, []) for name in MONITORS}
    for segment, end in zip(segments, ends, strict=False):
        for name, threshold in segment.thresholds.items():
            if name in told:
                told[name][1].append(Bounds(after=segment.after_step, last=end, threshold=threshold))
        for step, readings in _replay([line for line in history if line["step"] <= end], segment):
            if step > segment.after_step:
                for name, reading in readings.items():
                    told[name][0][step] = reading
    return [
        Story(monitor=MONITORS[name], readings=readings, bounds=bounds) for name, (readings, bounds) in told.items()
    ]


def spans(steps: Sequence[int], of: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of steps that are neighbours in ``of``, which has them all."""
    place = {step: number for number, step in enumerate(of)}
    for _, run in itertools.groupby(enumerate(steps), key=lambda pair: place[pair[1]] - pair[0]):
        members = [step for _, step in run]
        yield members[0], members[-1]


def _replay(history: Sequence[Mapping[str, Any]], segment: Segment) -> Iterator[tuple[int, dict[str, Reading]]]:
    """As the run itself saw it: a resumed one begins with what its checkpoint had logged."""
    monitors = build_monitors(
        segment.thresholds.keys(),
        shadows=segment.shadows,
        shadow_every=segment.shadow_every,
        corpus=KnownTexts([]),  # what it says was measured then, and stands in the history
    )
    watches = Watches(monitors, segment.thresholds)
    for line in history:
        yield int(line["step"]), watches.observe(line)
