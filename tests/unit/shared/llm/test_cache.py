"""What the cache needs no Redis for."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from shared.llm.cache import AnswerCache
from shared.llm.metrics import LlmMetrics
from shared.queue.broker import connect


@pytest.mark.parametrize(
    "wrong",
    [{"ttl_seconds": 0}, {"ttl_seconds": 1, "lease_seconds": 0}, {"ttl_seconds": 1, "redis_timeout_seconds": 0}],
)
async def test_times_that_keep_nothing_are_refused(wrong: dict[str, float]) -> None:
    redis = connect("redis://127.0.0.1:1/0")
    with pytest.raises(ValueError, match="above 0"):
        AnswerCache(redis, "judge", metrics=LlmMetrics(CollectorRegistry()), **wrong)
    await redis.aclose()
