"""The Prometheus metrics that every service has, in one registry of its own for each application.

Labels never carry ids or text, so the number of series is bounded. A gauge whose source does not answer is removed,
not set to zero: on a dashboard "no data" and "nothing waits" must differ. Counters that shares are made of are there
from the start, as zeros: Prometheus does not see the first rise of a series that was not there before.
"""

from __future__ import annotations

import collections
import math
import time
from collections.abc import Iterable, Sequence
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.samples import Sample

from shared.histogram import Tally, TallyHistogram
from shared.reward_window import WINDOW, RewardWindow, RunningMean, WindowCollector
from shared.schemas import Distribution, RewardBucket, Rollout, Score, Status

Door = Literal["http", "queue"]

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
CHARACTER_BUCKETS = (0, 8, 16, 32, 48, 64, 96, 128, 192, 256, 512, 1024, 4096)
REWARD_BUCKETS = (-20, -10, -7.5, -5, -4, -3, -2, -1.5, -1, -0.5, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
REWARD_BUCKETS_ABOVE_ONE = (1.5, 2, 3, 4, 5, 7.5, 10, 20)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
TOKEN_BUCKETS = (16, 64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
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
        self._latency = TallyHistogram(
            "zhufu_score_latency_seconds",
            "From admission of a rollout to its outcome.",
            ["reward", "door"],
            LATENCY_BUCKETS,
            self.registry,
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
        self._reward_family = TallyHistogram(
            "zhufu_reward",
            "Rewards of scored rollouts.",
            ["reward"],
            REWARD_BUCKETS + REWARD_BUCKETS_ABOVE_ONE,
            self.registry,
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
        self.observe_scores([(score, rollout)], door=door)

    def observe_scores(self, scored: Iterable[tuple[Score, Rollout]], *, door: Door) -> None:
        """The same for many; each counter rises once."""
        pairs = list(scored)
        self._latency_of[door].observe(*[score.latency_seconds for score, _ in pairs])
        for status, count in collections.Counter(score.status for score, _ in pairs).items():
            self._scores_of[door, status].inc(count)
        rewards = [(score.reward, rollout.completion) for score, rollout in pairs if score.reward is not None]
        values = [reward for reward, _ in rewards]
        self._reward_values.observe(*values)
        self._mean_so_far.add(*values)
        self._characters.observe(*[len(completion) for _, completion in rewards])
        self._window.add(rewards)
        for verdict, count in collections.Counter(score.verdict for score, _ in pairs).items():
            if verdict is not None:
                self._verdicts.labels(self._reward, str(verdict)).inc(count)

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

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Tally:
        return TallyHistogram(name, text, ["reward"], buckets, self.registry).labels(self._reward)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ["reward"], registry=self.registry)


def _samples(family: Counter | TallyHistogram) -> Sequence[Sample]:
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
