"""Windows of values: when a monitor speaks, and that what it says follows from the log alone."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from tests.unit.trainer.monitors.made import PLAIN, levels
from trainer.monitors.catalogue import build_monitors
from trainer.monitors.options import DEFAULT
from trainer.monitors.threshold import Level, Threshold
from trainer.monitors.variety import Duplicates
from trainer.monitors.watch import Watch, Watches

FIGURE = "policy/duplicates"


def history(steps: int, seed: int = 0) -> list[dict[str, object]]:
    """A run in which much moves, and some steps lack some figures."""
    chance = random.Random(seed)
    return [
        {
            "step": step,
            "reward": step / 10 + chance.random(),
            "reward_std": 0.5 + chance.random(),
            "rewards/judge/mean": chance.random() if step % 2 else None,
            "rewards/judge/std": 0.1 if step % 2 else None,
            "policy/characters": 20 + step + chance.random(),
            "completions/clipped_ratio": chance.random(),
            "policy/length_correlation": chance.uniform(-1, 1) if step % 7 else math.nan,
            "policy/distinct_2_in_512": chance.random(),
            FIGURE: chance.random(),
            "policy/attacks": chance.random() / 5,
        }
        for step in range(1, steps + 1)
    ]


def watches() -> Watches:
    thresholds = {name: Threshold(warn=each.warn, stop=None, steps=4) for name, each in DEFAULT.items()}
    return Watches(build_monitors(thresholds, shadows=["judge"]), thresholds)


def test_nothing_is_said_before_the_window_is_full() -> None:
    assert levels(Watch(Duplicates(), PLAIN), [1.0, 1.0, 1.0, 1.0], FIGURE) == [0, 0, 2, 2]


def test_a_step_without_a_value_changes_nothing() -> None:
    watch = Watch(Duplicates(), PLAIN)
    levels(watch, [0.5] * 3, FIGURE)
    before = watch.reading
    assert watch.observe({"policy/copying": 1.0}) is None
    assert watch.reading is before
    assert watch.level is Level.WARN


def test_a_monitor_that_warned_is_calm_again_when_it_is_over() -> None:
    told = levels(Watch(Duplicates(), PLAIN), [0.5, 0.5, 0.5, 0.1, 0.1, 0.1], FIGURE)
    assert told == [0, 0, 1, 0, 0, 0]


def test_it_says_why_in_a_sentence() -> None:
    watch = Watch(Duplicates(), PLAIN)
    levels(watch, [0.9, 0.9, 1.0], FIGURE)
    assert watch.told(Level.STOP) == "duplicates is 0.9 over the last 3 values, and 0.8 is the most allowed"


def test_what_is_no_finite_number_is_no_value() -> None:
    watched = watches()
    nothing: Mapping[str, object] = {FIGURE: math.nan, "policy/attacks": None, "reward": "high", "kl": math.inf}
    assert watched.observe(nothing) == {}
    assert watched.stopped is None


def test_whoever_reads_the_log_again_knows_what_the_run_knew() -> None:
    lines = history(40)
    undisturbed, resumed = watches(), watches()
    told = [undisturbed.observe(line) for line in lines]
    assert any(reading.level is Level.WARN for readings in told for reading in readings.values())
    for done in (1, 5, 17, 39):
        resumed = watches()
        for line in lines[:done]:
            resumed.observe(line)
        assert [resumed.observe(line) for line in lines[done:]] == told[done:]
