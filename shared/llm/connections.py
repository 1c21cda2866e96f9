"""All that a service needs to ask its language models: clients, limits of the fleet, and the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from redis.asyncio import Redis

from shared.llm.cache import AnswerCache
from shared.llm.cached import CachedLlm
from shared.llm.client import LlmClient
from shared.llm.limits import FleetLimiter, Limiter, LimitSettings, LocalLimiter
from shared.llm.metrics import LlmMetrics
from shared.llm.service_settings import LlmServiceSettings
from shared.llm.settings import LlmSettings


class LlmConnections:
    """The models of one service.

    Attributes:
        models: In the order of their settings.
    """

    def __init__(
        self,
        settings: LlmServiceSettings,
        models: Sequence[LlmSettings],
        *,
        name: str,
        redis: Redis | None,
        metrics: LlmMetrics,
    ) -> None:
        """Nothing is sent yet.

        Args:
            settings: Of the service: limits, leases, how long answers are kept.
            models: What is asked.
            name: Of the service's reward; its processes share their answers.
            redis: Holds limits and answers; without it, only requests under way are limited, and nothing is cached.
            metrics: Of all models together.
        """
        self._cache = (
            None
            if redis is None
            else AnswerCache(
                redis,
                name,
                ttl_seconds=settings.cache_ttl_seconds,
                lease_seconds=settings.lease_seconds,
                metrics=metrics,
            )
        )
        limits = LimitSettings(
            requests_per_minute=settings.llm_requests_per_minute,
            tokens_per_minute=settings.llm_tokens_per_minute,
            max_in_flight=settings.llm_max_in_flight,
            lease_seconds=settings.lease_seconds,
        )
        by_server: dict[str, Limiter] = {}
        self.models: list[CachedLlm] = []
        for model in models:
            if model.llm_url not in by_server:
                server = hashlib.sha256(model.llm_url.encode()).hexdigest()[:8]
                by_server[model.llm_url] = (
                    LocalLimiter(limits)
                    if redis is None
                    else FleetLimiter(redis, f"{settings.llm_limit_name}-{server}", limits)
                )
            # Two servers may call their models the same; each is asked for itself.
            namesakes = sum(each.model == model.llm_model for each in self.models)
            self.models.append(
                CachedLlm(
                    LlmClient(model, limiter=by_server[model.llm_url], metrics=metrics),
                    self._cache,
                    api=model.llm_api,
                    salt=f"/{namesakes}" if namesakes else "",
                    timeout_seconds=settings.llm_total_timeout_seconds,
                )
            )
        self._limiters = list(by_server.values())

    async def close(self) -> None:
        """Close all connections but that to Redis, which is the caller's."""
        for model in self.models:
            await model.close()
        for limiter in self._limiters:
            await limiter.close()
        if self._cache is not None:
            await self._cache.close()
