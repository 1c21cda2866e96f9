"""The last rewards of a service with their completions, and what they say of the policy when Prometheus asks."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

WINDOW = 1000
"""Over how many of the last scored rollouts mean, spread, correlation and duplicates are taken."""
WINDOW_MINIMUM = 50
"""Below this many, they are not shown: they would be noise."""

LEAST_SPREAD = 1e-10
"""Below this share of the mean square, a variance is rounding, and a correlation with it has no meaning."""


class RunningMean:
    """Of all values so far. (A histogram of Prometheus that has negative buckets has no sum.)"""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0

    @property
    def value(self) -> float | None:
        """None where there was no value."""
        return self._mean if self._count else None

    def add(self, *values: float) -> None:
        """Take in values; halves are taken so that no difference of finite ones overflows."""
        count, mean = self._count, self._mean
        for value in values:
            count += 1
            mean += 2 * ((value / 2 - mean / 2) / count)
        self._count, self._mean = count, mean


class RewardWindow:
    """The last rewards with their completions: does the reward follow length, and does the policy repeat itself?

    Rewards come by the thousand a second and are looked at every few seconds, so all is computed when it is asked for.
    """

    def __init__(self, size: int) -> None:
        self._items: collections.deque[tuple[float, int, int]] = collections.deque(maxlen=size)

    def add(self, scored: Iterable[tuple[float, str]]) -> None:
        """Take in rewards with their completions; the oldest leave when the window is full."""
        self._items.extend([(reward, len(completion), hash(completion)) for reward, completion in scored])

    def mean(self) -> float | None:
        """Mean reward; None when the window is too small."""
        return None if len(self._items) < WINDOW_MINIMUM else _mean([item[0] for item in self._items])

    def deviation(self) -> float | None:
        """Standard deviation of the rewards, 0 when all are equal; None when the window is too small."""
        if len(self._items) < WINDOW_MINIMUM:
            return None
        rewards = [item[0] for item in self._items]
        spread = _spread(rewards, rewards)
        return math.sqrt(spread / len(rewards)) if spread > _rounding(rewards) else 0.0

    def length_correlation(self) -> float | None:
        """Pearson correlation of reward and length; None when it is undefined or the window too small."""
        if len(self._items) < WINDOW_MINIMUM:
            return None
        rewards, lengths = [item[0] for item in self._items], [float(item[1]) for item in self._items]
        x_spread, y_spread = _spread(rewards, rewards), _spread(lengths, lengths)
        if not (x_spread > _rounding(rewards) and y_spread > _rounding(lengths)):
            return None  # one of them is constant, and what is left of it is rounding
        correlation = _spread(rewards, lengths) / math.sqrt(x_spread) / math.sqrt(y_spread)
        return max(-1.0, min(1.0, correlation)) if math.isfinite(correlation) else None

    def duplicate_ratio(self) -> float | None:
        """Share of completions that repeat another, 0 when all differ; None when the window is too small."""
        if len(self._items) < WINDOW_MINIMUM:
            return None
        return 1.0 - len({item[2] for item in self._items}) / len(self._items)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(value / len(values) for value in values)


def _spread(one: Sequence[float], other: Sequence[float]) -> float:
    """Sum of the products of their deviations."""
    one_mean, other_mean = _mean(one), _mean(other)
    return sum((x - one_mean) * (y - other_mean) for x, y in zip(one, other, strict=True))


def _rounding(values: Sequence[float]) -> float:
    return LEAST_SPREAD * sum(value * value for value in values)


class WindowCollector(Collector):
    """What a window says, computed when it is asked for: at a scrape, not at every score."""

    def __init__(self, reward: str, window: RewardWindow) -> None:
        self._reward = reward
        self._window = window

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Each gauge; without a value where the window does not say."""
        window = self._window
        for name, text, value in (
            ("zhufu_reward_mean", f"Mean of the last {WINDOW} rewards.", window.mean()),
            ("zhufu_reward_deviation", f"Standard deviation of the last {WINDOW} rewards.", window.deviation()),
            (
                "zhufu_reward_length_correlation",
                f"Pearson correlation of reward and length, last {WINDOW} scored.",
                window.length_correlation(),
            ),
            (
                "zhufu_duplicate_ratio",
                f"Share of completions seen before among the last {WINDOW} scored.",
                window.duplicate_ratio(),
            ),
        ):
            family = GaugeMetricFamily(name, text, labels=["reward"])
            if value is not None:
                family.add_metric([self._reward], value)
            yield family

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The same: the registry takes the names from it."""
        return self.collect()
