"""Prometheus metrics of a training run; `serve` makes them scrapable."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from shared.errors import ZhufuError

STEP_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class MetricsPortTaken(ZhufuError):
    """The port that metrics were to be served on is not free."""

    code = "metrics_port_taken"


class TrainerMetrics:
    """Declares all metrics of the trainer; the prefix of every name is ``zhufu_trainer_``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.step_seconds = Histogram(
            "zhufu_trainer_step_seconds", "Wall time of one step.", buckets=STEP_BUCKETS, registry=self.registry
        )
        self.reward_wait_seconds = Histogram(
            "zhufu_trainer_reward_wait_seconds",
            "From asking all rewards for a batch to the last answer.",
            buckets=STEP_BUCKETS,
            registry=self.registry,
        )
        self.rollouts_total = Counter(
            "zhufu_trainer_rollouts", "Rollouts by reward and status.", ["reward", "status"], registry=self.registry
        )
        self.reward = Gauge("zhufu_trainer_reward", "Mean weighted reward of the last step.", registry=self.registry)
        self.kl = Gauge("zhufu_trainer_kl", "KL divergence from the reference policy.", registry=self.registry)
        self.policy_characters = Gauge(
            "zhufu_trainer_policy_characters", "Mean length of completions in characters.", registry=self.registry
        )
        self.policy_distinct_2 = Gauge(
            "zhufu_trainer_policy_distinct_2", "Distinct character bigrams, as a share.", registry=self.registry
        )
        self.policy_truncated = Gauge(
            "zhufu_trainer_policy_truncated", "Share of completions that ran into the limit.", registry=self.registry
        )
        for gauge in (self.reward, self.kl, self.policy_characters, self.policy_distinct_2, self.policy_truncated):
            gauge.set(math.nan)  # what was not measured yet is not zero

    def serve(self, port: int) -> None:
        """Answer scrapes on loopback until the process ends.

        Raises:
            MetricsPortTaken: Somebody else listens there.
        """
        try:
            start_http_server(port, addr="127.0.0.1", registry=self.registry)
        except OSError as error:
            raise MetricsPortTaken(f"metrics cannot be served on port {port}: {error.strerror}") from error
