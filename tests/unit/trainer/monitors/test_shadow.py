"""Shadow rewards: a reward that climbs alone, and one that takes its shadow with it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from trainer.monitors.monitor import Monitor
from trainer.monitors.options import DEFAULT
from trainer.monitors.shadow import ShadowFall, ShadowGap
from trainer.monitors.watch import Watch


def line(reward: float, *shadows: float | None) -> dict[str, float]:
    """What is logged of a step: a logit with a spread of 2, and shadows between 0 and 1 with one of 0.2."""
    told = {"reward": reward, "reward_std": 2.0}
    for number, shadow in enumerate(shadows):
        told |= {} if shadow is None else {f"rewards/s{number}/mean": shadow, f"rewards/s{number}/std": 0.2}
    return told


def values(monitor: Monitor, lines: Sequence[dict[str, float]]) -> list[float | None]:
    return [monitor.observe(each) for each in lines]


START = [line(0.0, 0.5)] * 5


def test_gains_are_compared_in_standard_deviations_of_the_start() -> None:
    told = values(ShadowGap(["s0"], 1), [*START, line(1.0, 0.6), line(2.0, 0.5), line(2.0, 0.3), line(0.0, 0.7)])
    assert told == [None] * 5 + [pytest.approx(gap) for gap in (0.0, 1.0, 2.0, -1.0)]


def test_a_shadow_falls_only_where_the_climbed_reward_does_not_fall_too() -> None:
    told = values(ShadowFall(["s0"], 1), [*START, line(1.0, 0.6), line(1.0, 0.4), line(-1.0, 0.1), line(4.0, 0.1)])
    assert told == [None] * 5 + [pytest.approx(fall) for fall in (-0.5, 0.5, -0.5, 2.0)]


def test_of_several_shadows_the_worst_one_counts() -> None:
    lines = [line(0.0, 0.5, 0.5)] * 5 + [line(2.0, 0.7, 0.4), line(2.0, 0.7, None)]
    assert values(ShadowGap(["s0", "s1"], 1), lines)[-2:] == [pytest.approx(1.5), pytest.approx(0.0)]
    assert values(ShadowFall(["s0", "s1"], 1), lines)[-2:] == [pytest.approx(0.5), pytest.approx(-1.0)]


def test_a_shadow_that_is_asked_seldom_has_values_at_those_steps_alone() -> None:
    lines = [line(step / 10, 0.5 if step % 5 == 0 else None) for step in range(21)]
    told = values(ShadowGap(["s0"], 5), lines)
    assert [step for step, value in enumerate(told) if value is not None] == [10, 15, 20]
    assert told[20] == pytest.approx((2.0 - 0.2) / 2.0)


@pytest.mark.parametrize("kind", [ShadowGap, ShadowFall])
def test_there_is_nothing_to_compare_without_a_spread_or_without_a_shadow(kind: type[ShadowGap | ShadowFall]) -> None:
    flat = {"reward": 1.0, "reward_std": 0.0, "rewards/s0/mean": 0.5, "rewards/s0/std": 0.1}
    assert set(values(kind(["s0"], 1), [flat] * 9)) == {None}
    assert set(values(kind(["s0"], 1), [line(1.0)] * 9)) == {None}


def test_a_reward_that_is_climbed_by_fooling_it_is_warned_of_and_then_stopped_by_default() -> None:
    gap, fall = (Watch(kind(["s0"], 1), DEFAULT[kind.name]) for kind in (ShadowGap, ShadowFall))
    told = []
    for step in range(60):
        figures = line(step / 10, 0.5 if step < 20 else 0.5 - (step - 20) / 80)
        gap.observe(figures)
        fall.observe(figures)
        told.append((int(gap.level), int(fall.level)))
    assert told[20] == (0, 0)
    assert told[30][0] == 1
    assert told[-1] == (1, 2)


def test_a_reward_that_takes_its_shadow_with_it_is_not_warned_of() -> None:
    watches = [Watch(kind(["s0"], 1), DEFAULT[kind.name]) for kind in (ShadowGap, ShadowFall)]
    for step in range(60):
        readings = [watch.observe(line(step / 20, 0.5 + step / 250)) for watch in watches]
        assert all(reading is None or reading.level == 0 for reading in readings)
