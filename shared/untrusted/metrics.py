"""How many of the texts that a service looked through have signs of an attack."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter

from shared.untrusted.flags import FLAGS, Flag


class InspectionMetrics:
    """Declares them all. What a share is to be made of is there from the start, as zeros."""

    def __init__(self, reward: str, registry: CollectorRegistry) -> None:
        inspected = Counter(
            "zhufu_inspected_completions",
            "Completions looked through, by whether they have signs of an attack.",
            ["reward", "flagged"],
            registry=registry,
        )
        attempts = Counter(
            "zhufu_injection_attempts",
            "Completions with signs of an attack, by kind; one can have several.",
            ["reward", "kind"],
            registry=registry,
        )
        self._inspected = {flagged: inspected.labels(reward, str(flagged).lower()) for flagged in (False, True)}
        self._attempts = {flag: attempts.labels(reward, flag) for flag in FLAGS}

    def count(self, flags: Sequence[Flag]) -> None:
        """Count one completion, and each kind that it shows signs of."""
        self._inspected[bool(flags)].inc()
        for flag in flags:
            self._attempts[flag].inc()
