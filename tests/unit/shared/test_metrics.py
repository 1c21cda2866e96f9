from __future__ import annotations

import collections
import itertools
import random
from fractions import Fraction

import numpy as np
import prometheus_client
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from shared.metrics import ServiceMetrics
from shared.reward_window import WINDOW, WINDOW_MINIMUM, RewardWindow, RunningMean
from shared.schemas import Score, ScoreFailure
from tests.support.greetings import rollout

rewards = st.floats(-20, 20).map(lambda value: round(value, 3))
items = st.tuples(rewards, st.sampled_from(["祝", "祝福", "岁岁平安", "愿你今夜有好梦", "福" * 60]))


def scored(number: int, reward: float, verdict: int | None = None) -> Score:
    return Score.model_validate(
        {
            "id": f"贺{number}",
            "status": "scored",
            "reward": reward,
            "verdict": verdict,
            "version": "v",
            "latency_seconds": 0.2,
        }
    )


def failed(number: int) -> Score:
    failure = ScoreFailure(code="refused", detail="不予评分", retryable=False)
    return Score(id=f"贺{number}", status="failed", reward=None, error=failure, version="v", latency_seconds=0.2)


@given(added=st.lists(items, min_size=WINDOW_MINIMUM, max_size=150), size=st.integers(WINDOW_MINIMUM, 120))
def test_the_correlation_is_that_of_numpy_over_the_last_rewards(added: list[tuple[float, str]], size: int) -> None:
    window = RewardWindow(size)
    window.add(added)
    last = added[-size:]
    values = np.array([reward for reward, _ in last])
    lengths = np.array([len(completion) for _, completion in last])
    correlation = window.length_correlation()
    if np.ptp(values) == 0 or np.ptp(lengths) == 0:
        assert correlation is None
    else:
        assert correlation == pytest.approx(np.corrcoef(values, lengths)[0, 1], abs=1e-5)
    assert window.duplicate_ratio() == pytest.approx(1 - len({text for _, text in last}) / len(last))
    assert window.mean() == pytest.approx(values.mean(), abs=1e-9)
    assert window.deviation() == pytest.approx(values.std(), abs=1e-3)


@given(reward=rewards | st.floats(-1000, 1000).filter(lambda value: abs(value) > 1e-9))
@example(reward=0.1)
@example(reward=1e200)
def test_a_constant_reward_correlates_with_nothing(reward: float) -> None:
    window = RewardWindow(200)
    lengths = random.Random(7)
    for _ in range(1000):
        window.add([(reward, "福" * lengths.randint(1, 400))])
    assert window.length_correlation() is None
    assert window.mean() == pytest.approx(reward)
    assert window.deviation() == 0


def test_long_runs_do_not_pile_up_rounding() -> None:
    window = RewardWindow(100)
    source = random.Random(3)
    kept: collections.deque[tuple[float, int]] = collections.deque(maxlen=100)
    for step in range(20_000):
        reward = source.gauss(1000.0 if step < 19_000 else 0.0, 1.0)
        length = source.randint(10, 60)
        kept.append((reward, length))
        window.add([(reward, "祝" * length)])
    expected = np.corrcoef([reward for reward, _ in kept], [length for _, length in kept])[0, 1]
    assert window.length_correlation() == pytest.approx(expected, abs=1e-6)
    assert window.mean() == pytest.approx(np.mean([reward for reward, _ in kept]), abs=1e-9)
    assert window.deviation() == pytest.approx(np.std([reward for reward, _ in kept]), abs=1e-6)


def test_a_small_window_says_nothing() -> None:
    window = RewardWindow(WINDOW)
    for number in range(WINDOW_MINIMUM - 1):
        window.add([(number / 10, "祝" * number)])
        assert window.length_correlation() is None
        assert window.duplicate_ratio() is None
        assert window.mean() is None
        assert window.deviation() is None
    window.add([(9.0, "岁岁平安")])
    assert window.length_correlation() is not None
    assert window.duplicate_ratio() is not None


def test_the_window_forgets_what_left_it() -> None:
    window = RewardWindow(WINDOW_MINIMUM)
    for number in range(500):
        window.add([(number % 7, "同一句" if number < 400 else f"第{number}句")])
    assert window.duplicate_ratio() == 0
    assert len(window._items) == WINDOW_MINIMUM


def test_outcomes_are_counted_by_door_and_status_and_only_rewards_are_measured() -> None:
    metrics = ServiceMetrics("judge", CollectorRegistry())
    metrics.observe_score(scored(1, 0.75, verdict=1), rollout(1), door="http")
    metrics.observe_score(scored(2, 0.25), rollout(2), door="queue")
    metrics.observe_score(failed(3), rollout(3), door="queue")

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"reward": "judge", **labels})

    assert value("zhufu_score_requests_total", door="http", status="scored") == 1
    assert value("zhufu_score_requests_total", door="queue", status="scored") == 1
    assert value("zhufu_score_requests_total", door="queue", status="failed") == 1
    assert value("zhufu_score_requests_total", door="http", status="expired") == 0, "there before the first one"
    assert value("zhufu_score_latency_seconds_count", door="queue") == 2
    assert value("zhufu_reward_count") == 2
    assert value("zhufu_reward_bucket", le="0.5") == 1
    assert value("zhufu_completion_characters_count") == 2
    assert value("zhufu_verdicts_total", verdict="1") == 1
    assert value("zhufu_verdicts_total", verdict="0") is None


def test_the_distribution_counts_each_reward_once_and_what_has_none_apart() -> None:
    metrics = ServiceMetrics("judge", CollectorRegistry())
    empty = metrics.distribution()
    assert (empty.mean, sum(bucket.count for bucket in empty.buckets)) == (None, 0)
    for number, reward in enumerate([0.0, 0.05, 0.1, 0.95, 1.0, 3.2, 1e9, -1e9]):
        metrics.observe_score(scored(number, reward, verdict=number % 2), rollout(number), door="http")
    metrics.observe_score(failed(9), rollout(9), door="http")
    metrics.observe_score(failed(9), rollout(9), door="queue")
    told = metrics.distribution()
    counts = {(bucket.above, bucket.up_to): bucket.count for bucket in told.buckets if bucket.count}
    assert counts == {(None, -20): 1, (-0.5, 0): 1, (0, 0.1): 2, (0.9, 1): 2, (3, 4): 1, (20, None): 1}
    for one, other in itertools.pairwise(told.buckets):
        assert one.up_to == other.above
    assert (told.buckets[0].above, told.buckets[-1].up_to) == (None, None)
    assert told.statuses == {"scored": 8, "failed": 2, "expired": 0}
    assert told.verdicts == {"0": 4, "1": 4}
    assert told.mean == pytest.approx(5.3 / 8)
    assert told.since == empty.since


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
@example(values=[1.7e308, -1.7e308, 1.7e308])
@example(values=[1.7976931348623157e308] * 3)
def test_a_running_mean_is_finite_and_near_the_mean(values: list[float]) -> None:
    mean = RunningMean()
    for value in values:
        mean.add(value)
    assert mean.value is not None
    expected = float(sum(map(Fraction, values)) / len(values))
    assert mean.value == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(map(abs, values)) + 1e-300)


def test_a_gauge_whose_source_does_not_answer_is_removed_not_set_to_zero() -> None:
    metrics = ServiceMetrics("judge", CollectorRegistry())

    def shown(name: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"reward": "judge"})

    metrics.observe_queue(None, None)
    assert shown("zhufu_queue_depth") is None
    metrics.observe_queue(0, 0.0)
    assert shown("zhufu_queue_depth") == 0
    assert shown("zhufu_queue_oldest_seconds") == 0
    metrics.observe_queue(None, None)
    assert shown("zhufu_queue_depth") is None
    assert shown("zhufu_queue_oldest_seconds") is None
    assert shown("zhufu_reward_length_correlation") is None


def test_the_gauges_of_the_window_appear_with_enough_rewards_and_leave_when_undefined() -> None:
    metrics = ServiceMetrics("judge", CollectorRegistry())

    def shown(name: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"reward": "judge"})

    for number in range(WINDOW_MINIMUM):
        metrics.observe_score(scored(number, number / 100), rollout(number), door="http")
    assert shown("zhufu_reward_length_correlation") is not None
    assert shown("zhufu_duplicate_ratio") == pytest.approx(0.9)
    for number in range(WINDOW):
        metrics.observe_score(scored(number, 0.5), rollout(number), door="http")
    assert shown("zhufu_reward_length_correlation") is None


def test_every_metric_has_the_prefix_and_a_counter_ends_in_total() -> None:
    metrics = ServiceMetrics("judge", CollectorRegistry())
    ProcessCollector(registry=metrics.registry)
    GCCollector(registry=metrics.registry)
    metrics.observe_score(scored(1, 0.5, verdict=0), rollout(1), door="http")
    for family in metrics.registry.collect():
        assert family.name.startswith(("zhufu_", "process_", "python_")), family.name
        assert family.documentation
        if family.name.startswith("zhufu_") and family.type == "counter":
            assert all(sample.name.endswith(("_total", "_created")) for sample in family.samples)


def test_two_services_in_one_process_do_not_share_metrics() -> None:
    first = ServiceMetrics("judge", CollectorRegistry())
    second = ServiceMetrics("judge", CollectorRegistry())
    first.dead_letter_total.inc()
    assert second.registry.get_sample_value("zhufu_dead_letter_total", {"reward": "judge"}) == 0
    assert not any(family.name.startswith("zhufu_") for family in prometheus_client.REGISTRY.collect())
