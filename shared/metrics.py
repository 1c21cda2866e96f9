"""The Prometheus metrics that every service has, in one registry of its own for each application.

Labels never carry ids or text, so the number of series is bounded. A gauge whose source does not answer is removed,
not set to zero: on a dashboard "no data" and "nothing waits" must differ. Counters that shares are made of are there
from the start, as zeros: Prometheus does not see the first rise of a series that was not there before.
"""

from __future__ import annotations

import collections
import math
import time
from collections.abc import Iterator, Sequence
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from shared.schemas import Distribution, RewardBucket, Rollout, Score, Status

Door = Literal["http", "queue"]

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
CHARACTER_BUCKETS = (0, 8, 16, 32, 48, 64, 96, 128, 192, 256, 512, 1024, 4096)
REWARD_BUCKETS = (-20, -10, -7.5, -5, -4, -3, -2, -1.5, -1, -0.5, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
REWARD_BUCKETS_ABOVE_ONE = (1.5, 2, 3, 4, 5, 7.5, 10, 20)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
TOKEN_BUCKETS = (16, 64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
WINDOW = 1000
"""Over how many of the last scored rollouts mean, spread, correlation and duplicates are taken."""
WINDOW_MINIMUM = 50
"""Below this many, they are not shown: they would be noise."""

LEAST_SPREAD = 1e-10
"""Below this share of the mean square, a variance is rounding, and a correlation with it has no meaning."""
_DOORS: Final[tuple[Door, ...]] = get_args(Door)
_STATUSES: Final[tuple[Status, ...]] = get_args(Status)


class ServiceMetrics:
    """Declares all metrics of a service; the prefix of every name is ``zhufu_``."""

    def __init__(self, reward: str, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._reward = reward
        self._since = time.time()
        self._mean_so_far = RunningMean()
        self._scores = Counter(
            "zhufu_score_requests",
            "Rollouts that got an outcome, by door and status.",
            ["reward", "door", "status"],
            registry=self.registry,
        )
        self._latency = Histogram(
            "zhufu_score_latency_seconds",
            "From admission of a rollout to its outcome.",
            ["reward", "door"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._latency_of = {door: self._latency.labels(reward, door) for door in _DOORS}
        self._scores_of = {
            (door, status): self._scores.labels(reward, door, status) for door in _DOORS for status in _STATUSES
        }
        self.ready = self._gauge(
            "zhufu_ready", "1 while this process can score, as /readyz says; looked at every ten seconds."
        ).labels(reward)
        self.queue_wait_seconds = self._histogram(
            "zhufu_queue_wait_seconds", "From admission of a rollout to the start of its batch.", LATENCY_BUCKETS
        )
        self.batch_size = self._histogram("zhufu_batch_size", "Rollouts in a batch.", BATCH_BUCKETS)
        self.batch_tokens = self._histogram("zhufu_batch_tokens", "Tokens in a batch, padding included.", TOKEN_BUCKETS)
        self._reward_family = Histogram(
            "zhufu_reward",
            "Rewards of scored rollouts.",
            ["reward"],
            buckets=REWARD_BUCKETS + REWARD_BUCKETS_ABOVE_ONE,
            registry=self.registry,
        )
        self._reward_values = self._reward_family.labels(reward)
        self._characters = self._histogram(
            "zhufu_completion_characters", "Length of scored completions in characters.", CHARACTER_BUCKETS
        )
        self._verdicts = Counter("zhufu_verdicts", "Verdicts given.", ["reward", "verdict"], registry=self.registry)
        self._queue_depth = self._gauge("zhufu_queue_depth", "Rollouts in the Redis stream, those in work included.")
        self._queue_oldest = self._gauge("zhufu_queue_oldest_seconds", "Age of the oldest rollout in the Redis stream.")
        self._reclaimed = Counter(
            "zhufu_queue_reclaimed", "Rollouts taken over from a dead process.", ["reward"], registry=self.registry
        )
        self._dead_letters = Counter(
            "zhufu_dead_letter", "Rollouts given up after repeated failure.", ["reward"], registry=self.registry
        )
        self.queue_reclaimed_total = self._reclaimed.labels(reward)
        self.dead_letter_total = self._dead_letters.labels(reward)
        self._window = RewardWindow(WINDOW)
        self.registry.register(WindowCollector(reward, self._window))

    def observe_score(self, score: Score, rollout: Rollout, *, door: Door) -> None:
        """Count one outcome, and where it is a reward, what it says about the policy."""
        self._scores_of[door, score.status].inc()
        self._latency_of[door].observe(score.latency_seconds)
        if score.reward is None:
            return
        self._reward_values.observe(score.reward)
        self._mean_so_far.add(score.reward)
        self._characters.observe(len(rollout.completion))
        if score.verdict is not None:
            self._verdicts.labels(self._reward, str(score.verdict)).inc()
        self._window.add(score.reward, rollout.completion)

    def observe_queue(self, depth: int | None, oldest_seconds: float | None) -> None:
        """Show the state of the Redis stream; None where Redis did not answer."""
        _set_or_remove(self._queue_depth, self._reward, depth)
        _set_or_remove(self._queue_oldest, self._reward, oldest_seconds)

    def distribution(self) -> Distribution:
        """The rewards so far, as the metrics have them."""
        statuses: dict[str, int] = dict.fromkeys(_STATUSES, 0)
        for sample in _samples(self._scores):
            if sample.name == "zhufu_score_requests_total":
                statuses[sample.labels["status"]] += int(sample.value)
        verdicts = {"0": 0, "1": 0}
        for sample in _samples(self._verdicts):
            if sample.name == "zhufu_verdicts_total":
                verdicts[sample.labels["verdict"]] += int(sample.value)
        return Distribution.model_validate(
            {
                "since": self._since,
                "buckets": _buckets(_samples(self._reward_family)),
                "statuses": statuses,
                "verdicts": verdicts,
                "mean": self._mean_so_far.value,
            }
        )

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        family = Histogram(name, text, ["reward"], buckets=buckets, registry=self.registry)
        return family.labels(self._reward)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ["reward"], registry=self.registry)


def _samples(family: Counter | Histogram) -> Sequence[Sample]:
    return [sample for metric in family.collect() for sample in metric.samples]


def _buckets(samples: Sequence[Sample]) -> list[RewardBucket]:
    """Prometheus counts all up to a bound; here each bucket has its own."""
    buckets: list[RewardBucket] = []
    above, below = None, 0
    for sample in samples:
        if sample.name == "zhufu_reward_bucket":
            bound, count = float(sample.labels["le"]), int(sample.value)
            up_to = bound if math.isfinite(bound) else None
            buckets.append(RewardBucket(above=above, up_to=up_to, count=count - below))
            above, below = up_to, count
    return buckets


def _set_or_remove(gauge: Gauge, reward: str, value: float | None) -> None:
    if value is not None:
        gauge.labels(reward).set(value)
        return
    gauge.remove_by_labels({"reward": reward})


class RunningMean:
    """Of all values so far. (A histogram of Prometheus that has negative buckets has no sum.)"""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0

    @property
    def value(self) -> float | None:
        """None where there was no value."""
        return self._mean if self._count else None

    def add(self, value: float) -> None:
        """Take in one value; halves are taken so that no difference of finite ones overflows."""
        self._count += 1
        self._mean += 2 * ((value / 2 - self._mean / 2) / self._count)


class RewardWindow:
    """The last rewards with their completions: does the reward follow length, and does the policy repeat itself?

    Sums are kept up to date in constant time; they are of integers and rewards of moderate size, and are computed
    afresh once in every ``size`` additions, so that rounding cannot pile up.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: collections.deque[tuple[float, int, int]] = collections.deque()
        self._seen: collections.Counter[int] = collections.Counter()
        self._sums = [0.0] * 5
        self._since_refresh = 0

    def add(self, reward: float, completion: str) -> None:
        """Take in one scored completion; the oldest leaves when the window is full."""
        item = (reward, len(completion), hash(completion))
        self._items.append(item)
        self._seen[item[2]] += 1
        self._shift(item, 1)
        if len(self._items) > self._size:
            oldest = self._items.popleft()
            self._shift(oldest, -1)
            self._seen[oldest[2]] -= 1
            if not self._seen[oldest[2]]:
                del self._seen[oldest[2]]
        self._since_refresh += 1
        if self._since_refresh >= self._size:
            self._since_refresh = 0
            self._sums = [0.0] * 5
            for kept in self._items:
                self._shift(kept, 1)

    def mean(self) -> float | None:
        """Mean reward; None when the window is too small."""
        count = len(self._items)
        return None if count < WINDOW_MINIMUM else self._sums[0] / count

    def deviation(self) -> float | None:
        """Standard deviation of the rewards, 0 when all are equal; None when the window is too small."""
        count = len(self._items)
        if count < WINDOW_MINIMUM:
            return None
        x, xx = self._sums[0], self._sums[2]
        spread = count * xx - x * x
        return math.sqrt(spread) / count if spread > LEAST_SPREAD * count * xx else 0.0

    def length_correlation(self) -> float | None:
        """Pearson correlation of reward and length; None when it is undefined or the window too small."""
        count = len(self._items)
        if count < WINDOW_MINIMUM:
            return None
        x, y, xx, yy, xy = self._sums
        x_spread, y_spread = count * xx - x * x, count * yy - y * y
        if not (x_spread > LEAST_SPREAD * count * xx and y_spread > LEAST_SPREAD * count * yy):
            return None  # one of them is constant, and what is left of it is rounding
        correlation = (count * xy - x * y) / math.sqrt(x_spread * y_spread)
        return max(-1.0, min(1.0, correlation)) if math.isfinite(correlation) else None

    def duplicate_ratio(self) -> float | None:
        """Share of completions that repeat another, 0 when all differ; None when the window is too small."""
        count = len(self._items)
        return None if count < WINDOW_MINIMUM else 1.0 - len(self._seen) / count

    def _shift(self, item: tuple[float, int, int], sign: int) -> None:
        reward, length, _ = item
        for index, value in enumerate((reward, length, reward * reward, length * length, reward * length)):
            self._sums[index] += sign * value


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
