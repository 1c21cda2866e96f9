"""Metrics that only the reward model service has."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class RewardModelMetrics:
    """Declares them all."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.checkpoint_info = Gauge(
            "zhufu_reward_model_checkpoint_info",
            "1 for the checkpoint that scores at the moment.",
            ["version"],
            registry=registry,
        )
        self.swaps = Counter(
            "zhufu_reward_model_swaps", "Checkpoints activated, by outcome.", ["outcome"], registry=registry
        )
        self.forward_seconds = Histogram(
            "zhufu_reward_model_forward_seconds",
            "Encoding and forward pass of one batch.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
            registry=registry,
        )

    def activated(self, version: str) -> None:
        """Note which checkpoint scores now."""
        self.checkpoint_info.clear()
        self.checkpoint_info.labels(version).set(1)
