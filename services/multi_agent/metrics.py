"""Metrics that only the multi-agent service has."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from shared.untrusted.metrics import InspectionMetrics


class MultiAgentMetrics:
    """Declares them all, with those of looking through the completions of ``reward``."""

    def __init__(self, reward: str, registry: CollectorRegistry) -> None:
        self.inspection = InspectionMetrics(reward, registry)
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
