"""The Prometheus metrics of asking a language model; one set for all the clients of a service."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.llm.chat import LlmUsage

LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TOKEN_KINDS: Final = ("prompt", "cached_prompt", "completion")


class LlmMetrics:
    """Declares them all.

    Attributes:
        requests: Requests sent, by ``outcome``: ``ok``, ``cancelled``, or a code of `shared.llm.errors`.
        latency_seconds: Of one request, from sending it to its whole answer or its failure.
        cache_requests: Questions to the cache, by ``result``: hit, miss, shared (asked once for several), error.
        rate_limited_seconds: Time spent waiting for a permit of the fleet's limit, or as long as the server said.
        retries: Requests sent again, by ``reason``: the code of the failure before.
        circuit_open: 1 while the circuit breaker holds requests back, as far as this process has noticed.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "zhufu_llm_requests", "Requests sent to the language model.", ["outcome"], registry=registry
        )
        self._tokens = Counter(
            "zhufu_llm_tokens",
            "Tokens by the server's count; cached_prompt is the part of prompt that was not computed again.",
            ["kind"],
            registry=registry,
        )
        for kind in TOKEN_KINDS:  # from the start, as zeros: else what the first requests cost is never seen to rise
            self._tokens.labels(kind)
        self.latency_seconds = Histogram(
            "zhufu_llm_latency_seconds",
            "Of one request to the language model.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.cache_requests = Counter(
            "zhufu_cache_requests", "Questions to the cache of answers.", ["result"], registry=registry
        )
        self.rate_limited_seconds = Counter(
            "zhufu_rate_limited_seconds",
            "Time spent waiting for a permit, or as long as the server asked for.",
            registry=registry,
        )
        self.retries = Counter("zhufu_llm_retries", "Requests sent again.", ["reason"], registry=registry)
        self.circuit_open = Gauge(
            "zhufu_llm_circuit_open", "1 while the circuit breaker holds requests back.", registry=registry
        )

    def count_usage(self, usage: LlmUsage) -> None:
        """Add what one answer cost, whatever the answer is worth."""
        self._tokens.labels("prompt").inc(usage.prompt_tokens)
        self._tokens.labels("cached_prompt").inc(usage.cached_prompt_tokens)
        self._tokens.labels("completion").inc(usage.completion_tokens)
