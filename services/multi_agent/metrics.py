"""Metrics that only the multi-agent service has."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter


class MultiAgentMetrics:
    """Declares them all."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.verdicts = Counter(
            "zhufu_agent_verdicts", "Verdicts of judge and reflect agent.", ["agent", "verdict"], registry=registry
        )
        self.overrides = Counter(
            "zhufu_agent_overrides", "Verdicts of the judge that the reflect agent changed.", registry=registry
        )
        self.reevaluations = Counter(
            "zhufu_agent_reevaluations", "Further rounds that the reflect agent asked for and got.", registry=registry
        )
        self.failures = Counter(
            "zhufu_agent_failures",
            "Questions to an agent, or to retrieval, without a usable answer.",
            ["agent", "code"],
            registry=registry,
        )
        self.pairs = Counter(
            "zhufu_preference_pairs",
            "Samples by what came of them: a pair, or why there is none.",
            ["outcome"],
            registry=registry,
        )
        self.agent_text_flags = Counter(
            "zhufu_agent_text_flags",
            "Texts of an agent with signs of an attack, repeated from what it read.",
            ["agent"],
            registry=registry,
        )
        self._attacks = Counter(
            "zhufu_injection_attempts", "Completions with signs of an attack, by kind.", ["kind"], registry=registry
        )

    def count_flags(self, flags: Iterable[str]) -> None:
        """Count each kind that one completion shows signs of."""
        for flag in flags:
            self._attacks.labels(flag).inc()
