"""Metrics that only the judge service has."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.untrusted.metrics import InspectionMetrics

SHARE_BUCKETS = (0.0, 0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
LOG_ODDS_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class JudgeMetrics:
    """Declares them all, with those of looking through the completions of ``reward``."""

    def __init__(self, reward: str, registry: CollectorRegistry) -> None:
        self.inspection = InspectionMetrics(reward, registry)
        self.disagreement = Histogram(
            "zhufu_judge_disagreement",
            "Standard deviation of the votes on one rollout, where there are several.",
            buckets=SHARE_BUCKETS,
            registry=registry,
        )
        self.position_bias = Histogram(
            "zhufu_judge_position_bias",
            "In group mode: log-odds of the best place over the worst, which are not in the rewards.",
            buckets=LOG_ODDS_BUCKETS,
            registry=registry,
        )
        self.example_auc = Gauge(
            "zhufu_judge_example_auc",
            "How well a model tells good from bad among the examples that its prompt does not show: 1 always, 0.5 not.",
            ["model"],
            registry=registry,
        )
        self.groups = Counter(
            "zhufu_judge_groups", "Groups compared, by whether all members came.", ["outcome"], registry=registry
        )
        self.principles_info = Gauge(
            "zhufu_judge_principles_info", "1 for the principles in force.", ["version"], registry=registry
        )

    def in_force(self, version: str) -> None:
        """Note which principles are in force."""
        self.principles_info.clear()
        self.principles_info.labels(version).set(1)
