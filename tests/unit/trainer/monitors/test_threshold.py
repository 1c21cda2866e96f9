"""Bounds, and that one odd step moves nothing."""

from __future__ import annotations

import math

import hypothesis
import pytest
from hypothesis import strategies

from shared.errors import InvalidRequest
from trainer.monitors.threshold import Direction, Level, Threshold, steady

shares = strategies.floats(0, 1)


@pytest.mark.parametrize(
    ("direction", "value", "level"),
    [
        ("high", 0.3, Level.CALM),
        ("high", 0.31, Level.WARN),
        ("high", 0.8, Level.WARN),
        ("high", 0.81, Level.STOP),
        ("high", -5.0, Level.CALM),
        ("either", 0.31, Level.WARN),
        ("either", -0.31, Level.WARN),
        ("either", -0.9, Level.STOP),
        ("either", 0.0, Level.CALM),
    ],
)
def test_a_value_is_beyond_a_bound_and_not_at_it(direction: Direction, value: float, level: Level) -> None:
    assert Threshold(warn=0.3, stop=0.8, steps=1).level(value, direction) is level


@pytest.mark.parametrize(("value", "level"), [(0.8, Level.CALM), (0.7, Level.WARN), (0.39, Level.STOP)])
def test_where_low_is_bad_a_value_is_beyond_when_it_is_below(value: float, level: Level) -> None:
    assert Threshold(warn=0.75, stop=0.4, steps=1).level(value, "low") is level


def test_a_bound_that_is_not_there_is_never_passed() -> None:
    assert Threshold(warn=None, stop=None, steps=1).level(1e9, "high") is Level.CALM
    assert Threshold(warn=None, stop=1.0, steps=1).level(1e9, "high") is Level.STOP
    assert Threshold(warn=1.0, stop=None, steps=1).level(1e9, "high") is Level.WARN


@pytest.mark.parametrize(
    ("values", "direction", "mean"),
    [
        ([0.5], "high", 0.5),
        ([0.0, 0.0, 1.0], "high", 0.0),
        ([0.2, 0.4, 1.0], "high", 0.3),
        ([1.0, 0.9, 0.1], "low", 0.95),
        ([0.6, 0.8, 0.1], "either", 0.35),
        ([-0.6, -0.8, -0.1], "either", -0.35),
    ],
)
def test_the_worst_value_counts_for_nothing(values: list[float], direction: Direction, mean: float) -> None:
    assert steady(values, direction) == pytest.approx(mean)


@hypothesis.given(strategies.lists(shares, min_size=2, max_size=12), shares)
def test_no_single_step_can_move_what_is_compared_beyond_the_others(values: list[float], odd: float) -> None:
    assert steady([*values, odd], "high") <= max(values) + 1e-12
    assert steady([*values, odd], "low") >= min(values) - 1e-12
    assert abs(steady([*values, odd], "either")) <= max(map(abs, values)) + 1e-12


@pytest.mark.parametrize(
    "broken",
    [{"warn": math.nan}, {"stop": math.inf}, {"steps": 0}, {"steps": -1}],
)
def test_bounds_that_make_no_sense_are_refused(broken: dict[str, float]) -> None:
    with pytest.raises(InvalidRequest):
        Threshold(**{"warn": 0.1, "stop": 0.2, "steps": 3, **broken})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("direction", "warn", "stop"), [("high", 0.5, 0.3), ("low", 0.3, 0.5), ("either", -0.5, 0.6), ("either", 0.5, -0.6)]
)
def test_a_run_may_not_stop_before_anything_has_warned(direction: Direction, warn: float, stop: float) -> None:
    with pytest.raises(InvalidRequest):
        Threshold(warn=warn, stop=stop, steps=3).check(direction)


@pytest.mark.parametrize(("direction", "warn", "stop"), [("high", 0.3, 0.3), ("low", 0.5, 0.3), ("either", 0.1, 0.2)])
def test_sensible_bounds_are_taken(direction: Direction, warn: float, stop: float) -> None:
    Threshold(warn=warn, stop=stop, steps=3).check(direction)
