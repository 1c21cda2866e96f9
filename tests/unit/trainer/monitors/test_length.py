"""Length: policies that only grow longer, rewards that are length, and those that are not."""

from __future__ import annotations

import pytest

from tests.unit.trainer.monitors.made import PLAIN, levels, measured, scored
from trainer.monitors.length import LengthChange, LengthCorrelation, Truncated
from trainer.monitors.options import DEFAULT
from trainer.monitors.threshold import Threshold
from trainer.monitors.watch import Watch

LENGTHS = [10, 20, 30, 40]


def texts(lengths: list[int]) -> list[str]:
    return ["福" * length for length in lengths]


def test_a_reward_that_is_length_has_a_correlation_of_one_whatever_the_prompts_add() -> None:
    step = scored(texts(LENGTHS * 2), [*map(float, LENGTHS), *(100.0 + length for length in LENGTHS)])
    assert measured(LengthCorrelation(), step) == pytest.approx(1.0)


def test_a_reward_for_brevity_has_one_of_minus_one() -> None:
    assert measured(LengthCorrelation(), scored(texts(LENGTHS), [4.0, 3.0, 2.0, 1.0])) == pytest.approx(-1.0)


def test_prompts_with_long_answers_and_high_rewards_do_not_count_as_length() -> None:
    step = scored(texts([10, 12, 10, 12, 50, 52, 50, 52]), [0.0, 0.0, 1.0, 1.0, 10.0, 10.0, 11.0, 11.0])
    assert measured(LengthCorrelation(), step) == pytest.approx(0.0)


def test_a_correlation_by_hand() -> None:
    # Deviations (-1, 0, 1) and (-10, 20, -10): 0 together with themselves; (-1, 1) and (-5, 5) in the second group.
    step = scored(texts([10, 40, 10, 10, 20]), [1.0, 2.0, 3.0, 1.0, 3.0], group_size=3)
    assert measured(LengthCorrelation(), step) == pytest.approx(10 / (2.0 * (600 + 50) ** 0.5))


def test_rollouts_without_a_reward_are_left_out() -> None:
    step = scored(texts([10, 20, 30, 999]), [1.0, 2.0, 3.0, None])
    assert measured(LengthCorrelation(), step) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("lengths", "rewards"),
    [
        ([10, 10, 10, 10], [1.0, 2.0, 3.0, 4.0]),
        (LENGTHS, [0.1, 0.1, 0.1, 0.1]),
        (LENGTHS, [None, None, None, None]),
        ([10], [1.0]),
    ],
)
def test_there_is_no_correlation_where_nothing_differs(lengths: list[int], rewards: list[float | None]) -> None:
    assert LengthCorrelation().measure(scored(texts(lengths), rewards)) is None


def test_a_policy_that_only_grows_longer_is_warned_of_and_can_be_stopped() -> None:
    watch = Watch(LengthChange(), Threshold(warn=0.6, stop=1.0, steps=3))
    told = levels(watch, [30.0] * 5 + [30 * 1.2**step for step in range(1, 9)], "policy/characters")
    # Doublings by the step: 0.25, 0.51, 0.77, 1.02, 1.28 …; the mean of the milder two of three is compared.
    assert told == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2]


def test_a_policy_that_falls_silent_is_one_that_changes_its_length() -> None:
    watch = Watch(LengthChange(), Threshold(warn=0.6, stop=4.0, steps=2))
    assert levels(watch, [31.0] * 5 + [31.0, 15.0, 15.0, 0.0, 0.0], "policy/characters")[-5:] == [0, 0, 1, 1, 2]
    assert watch.reading is not None
    assert watch.reading.value == pytest.approx(-5.0)


def test_a_policy_of_steady_length_is_not_warned_of() -> None:
    watch = Watch(LengthChange(), DEFAULT["length_change"])
    assert set(levels(watch, [30.0, 34.0, 27.0, 31.0] * 20, "policy/characters")) == {0}


def test_running_into_the_limit_is_taken_from_the_log() -> None:
    watch = Watch(Truncated(), PLAIN)
    assert levels(watch, [0.1, 0.9, 0.1, 0.5, 0.9, 1.0, 1.0], "completions/clipped_ratio") == [0, 0, 0, 0, 0, 1, 2]
    assert watch.observe({"reward": 1.0}) is None
