"""With length held fixed, what length alone gave is gone, and what is really better stays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from trainer.evaluation.policies.lengths import LEAST_PROMPTS, adjusted, matched

Texts = dict[str, list[tuple[float, float]]]

PROMPTS, SAMPLES = 80, 4


def texts(
    reward: Callable[[float], float], *, around: float, seed: int, spread: float = 8.0, noise: float = 0.3
) -> Texts:
    """Lengths around a mean, and rewards that follow from them."""
    random = np.random.default_rng(seed)

    def one() -> tuple[float, float]:
        length = float(max(4, round(random.normal(around, spread))))
        return length, reward(length) + float(random.normal(0, noise))

    return {f"row-{prompt}": [one() for _ in range(SAMPLES)] for prompt in range(PROMPTS)}


def mean(some: Texts) -> float:
    return float(np.mean([reward for pairs in some.values() for _, reward in pairs]))


def test_a_reward_that_counts_characters_prefers_nobody() -> None:
    short, long = texts(lambda n: n / 10, around=30, seed=1), texts(lambda n: n / 10, around=38, seed=2)
    assert mean(long) - mean(short) > 0.6
    equal = adjusted({"short": short, "long": long})
    difference = equal.differences[("short", "long")]
    assert difference.low < 0 < difference.high
    assert difference.high - difference.low < 0.3
    assert equal.means["long"].mean - equal.means["short"].mean == pytest.approx(difference.mean)
    by_pairs = matched(short, long).difference
    assert by_pairs is not None
    assert by_pairs.low < 0 < by_pairs.high


def test_a_better_policy_that_writes_more_keeps_what_is_better() -> None:
    before = texts(lambda n: n / 20, around=30, seed=1)
    after = texts(lambda n: n / 20 + 0.5, around=38, seed=2)
    difference = adjusted({"before": before, "after": after}).differences[("before", "after")]
    assert difference.low < 0.5 < difference.high
    assert difference.low > 0.3
    by_pairs = matched(before, after).difference
    assert by_pairs is not None
    assert by_pairs.low < 0.5 < by_pairs.high
    assert by_pairs.low > 0.3


def test_a_reward_that_stops_rising_with_length_is_followed_by_the_curve() -> None:
    def saturating(length: float) -> float:
        return min(length, 36.0) / 10

    short, long = texts(saturating, around=28, seed=3, noise=0.1), texts(saturating, around=40, seed=4, noise=0.1)
    assert mean(long) - mean(short) > 0.6
    assert abs(adjusted({"short": short, "long": long}).differences[("short", "long")].mean) < 0.15


def test_a_reward_that_rises_with_length_and_then_falls_is_followed_too() -> None:
    def arched(length: float) -> float:
        return -((length - 35) ** 2) / 200

    short, long = texts(arched, around=30, seed=3), texts(lambda n: arched(n) + 0.5, around=46, seed=4)
    assert mean(long) - mean(short) < 0.3, "plainly the better one looks hardly better, for its lengths lie off the top"
    interval = adjusted({"short": short, "long": long}).differences[("short", "long")]
    assert interval.low < 0.5 < interval.high
    assert interval.high - interval.low < 0.4


def test_texts_that_run_on_without_end_do_not_bend_the_curve_for_the_others() -> None:
    before = texts(lambda n: n / 20, around=30, seed=1)
    after = texts(lambda n: n / 20 + 0.5, around=38, seed=2)
    for prompt in list(after)[:4]:
        after[prompt][0] = (1500.0, 2.0)
    interval = adjusted({"before": before, "after": after}).differences[("before", "after")]
    assert interval.low < 0.5 < interval.high


def test_without_a_difference_in_length_the_adjusted_difference_is_the_plain_one() -> None:
    one = texts(lambda n: 1.0, around=30, seed=5, spread=0.0, noise=0.2)
    other = texts(lambda n: 1.4, around=30, seed=6, spread=0.0, noise=0.2)
    equal = adjusted({"one": one, "other": other})
    assert equal.means["one"].mean == pytest.approx(mean(one))
    assert equal.differences[("one", "other")].mean == pytest.approx(mean(other) - mean(one))


def test_the_interval_covers_the_true_difference_about_95_times_in_100() -> None:
    covered = 0
    for seed in range(40):
        before = texts(lambda n: n / 20, around=30, seed=seed)
        after = texts(lambda n: n / 20 + 0.1, around=36, seed=1000 + seed)
        interval = adjusted({"before": before, "after": after}, seed=seed).differences[("before", "after")]
        covered += interval.low <= 0.1 <= interval.high
    assert covered >= 34


def test_differences_are_of_common_prompts_and_what_has_no_reward_is_left_out() -> None:
    one = {"a": [(10.0, 1.0)], "b": [(10.0, 3.0)], "c": []}
    other = {"b": [(10.0, 4.0)], "c": [(10.0, 100.0)]}
    equal = adjusted({"one": one, "other": other, "silent": {"a": []}})
    assert equal.differences[("one", "other")].mean == pytest.approx(1.0)
    assert equal.means["one"].mean == pytest.approx(2.0)
    assert set(equal.means) == {"one", "other"}
    assert adjusted({"silent": {}}).means == {}
    assert adjusted({"one": {"a": [(9.0, 1.0)]}, "other": {"b": [(9.0, 1.0)]}}).differences == {}


def test_pairs_of_about_equal_length_on_few_prompts_say_nothing() -> None:
    def some(count: int, length: float) -> Texts:
        return {f"row-{prompt}": [(length, 1.0)] for prompt in range(count)}

    few = matched(some(LEAST_PROMPTS - 1, 20.0), some(LEAST_PROMPTS - 1, 21.0))
    assert (few.difference, few.prompts) == (None, LEAST_PROMPTS - 1)
    assert matched(some(9, 20.0), some(9, 40.0)).prompts == 0
    enough = matched(some(LEAST_PROMPTS, 20.0), some(LEAST_PROMPTS, 22.0))
    assert enough.difference is not None
    assert enough.difference.mean == 0.0


def test_the_same_seed_gives_the_same_intervals() -> None:
    one, other = texts(lambda n: n, around=30, seed=1), texts(lambda n: n, around=31, seed=2)
    assert adjusted({"one": one, "other": other}, seed=3) == adjusted({"one": one, "other": other}, seed=3)
