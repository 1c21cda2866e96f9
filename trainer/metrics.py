"""Prometheus metrics of a training run; `serve` makes them scrapable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from shared.errors import ZhufuError
from shared.schemas import Status

STEP_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
LOOPBACK: Final = "127.0.0.1"
_STATUSES: Final[tuple[Status, ...]] = get_args(Status)


class MetricsPortTaken(ZhufuError):
    """The address that metrics were to be served on is not free, or not of this machine."""

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
        self.step = Gauge(
            "zhufu_trainer_step", "Optimizer steps done, those before a resume too.", registry=self.registry
        )
        self.reward = Gauge("zhufu_trainer_reward", "Mean weighted reward of the last step.", registry=self.registry)
        self.score = Gauge(
            "zhufu_trainer_score",
            "Mean of each reward, shadows too, over what it scored when it was asked last.",
            ["reward"],
            registry=self.registry,
        )
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
        self._monitor = Gauge(
            "zhufu_trainer_monitor",
            "What each monitor sees: the mean of its last values, the worst left out.",
            ["monitor"],
            registry=self.registry,
        )
        self._monitor_level = Gauge(
            "zhufu_trainer_monitor_level",
            "0 while a monitor is calm, 1 while it warns, 2 when it has stopped the run.",
            ["monitor"],
            registry=self.registry,
        )
        self._monitor_warn = Gauge(
            "zhufu_trainer_monitor_warn", "Beyond this a monitor warns.", ["monitor"], registry=self.registry
        )
        self._monitor_stop = Gauge(
            "zhufu_trainer_monitor_stop", "Beyond this a monitor stops the run.", ["monitor"], registry=self.registry
        )
        for gauge in (
            self.step,
            self.reward,
            self.kl,
            self.policy_characters,
            self.policy_distinct_2,
            self.policy_truncated,
        ):
            gauge.set(math.nan)  # what was not measured yet is not zero

    def expect(self, rewards: Sequence[str]) -> None:
        """Show these rewards from the start: rollouts as zeros, scores as not measured."""
        for reward in rewards:
            self.score.labels(reward).set(math.nan)
            for status in _STATUSES:
                self.rollouts_total.labels(reward, status)

    def expect_monitor(self, name: str, warn: float | None, stop: float | None) -> None:
        """Show a monitor from the start: its bounds, those it has, and that it has not seen enough yet."""
        for gauge, bound in ((self._monitor_warn, warn), (self._monitor_stop, stop)):
            if bound is not None:
                gauge.labels(name).set(bound)
        self.show_monitor(name, None, 0)

    def show_monitor(self, name: str, value: float | None, level: int) -> None:
        """Show what a monitor says; None where it has not seen enough steps."""
        self._monitor.labels(name).set(math.nan if value is None else value)
        self._monitor_level.labels(name).set(level)

    def serve(self, port: int, host: str = LOOPBACK) -> None:
        """Answer scrapes until the process ends. They tell figures, never a text.

        Raises:
            MetricsPortTaken: Somebody else listens there, or the host is none of this machine.
        """
        try:
            start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise MetricsPortTaken(f"metrics cannot be served on {host} port {port}: {error.strerror}") from error
