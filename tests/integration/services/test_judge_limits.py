"""One limit for a fleet of judges, measured where the requests arrive."""

from __future__ import annotations

import asyncio
import statistics
import sys

import pytest

from shared.client import RewardClient
from tests.support.effort import SLOW
from tests.support.judge import StartJudge, Taste, greeting
from tests.support.llm_server import LlmServer
from tests.support.processes import RedisServer
from tests.support.queues import assert_all_scored

REQUESTS_PER_MINUTE = 120
JUDGES = 4
ROLLOUTS = 330
MINUTE = 60.0


@pytest.mark.skipif(not SLOW, reason="takes three minutes: set ZHUFU_SLOW_TESTS=1")
@pytest.mark.timeout(500)
async def test_four_judges_share_120_requests_a_minute_and_use_them(
    redis_server: RedisServer, start_judge: StartJudge, llm: LlmServer
) -> None:
    """The limiter by itself, in a window of seconds, is in tests/integration/shared/test_llm_limits.py."""
    llm.script(Taste(delay_seconds=0.3))
    judges = [
        start_judge(
            llm,
            redis_server,
            llm_requests_per_minute=REQUESTS_PER_MINUTE,
            llm_limit_wait_seconds=400,
            llm_total_timeout_seconds=400,
            score_timeout_seconds=450,
            llm_max_in_flight=128,
        )
        for _ in range(JUDGES)
    ]
    for judge in judges:
        judge.wait_until()
    rollouts = [greeting(number) for number in range(ROLLOUTS)]
    # In parts, so that no replica takes all of them.
    parts = [rollouts[start::10] for start in range(10)]
    async with RewardClient.from_url(f"{redis_server.url}?reward=judge", timeout_seconds=450) as client:
        scores = await asyncio.gather(*(client.score(part) for part in parts))
    for part, scored in zip(parts, scores, strict=True):
        assert_all_scored(part, scored)
    times = sorted(question.at for question in llm.requests)
    assert len(times) == ROLLOUTS
    most = max(sum(begin <= at < begin + MINUTE for at in times) for begin in times)
    # A place in the window is free again after a minute at the soonest: how soon was it taken again?
    rounds = [later - earlier for earlier, later in zip(times, times[REQUESTS_PER_MINUTE:], strict=False)]
    used = MINUTE / statistics.fmean(rounds)
    shares = [int(judge.metrics().get('zhufu_llm_requests_total{outcome="ok"}', 0)) for judge in judges]
    sys.stdout.write(
        f"{len(times)} arrivals in {times[-1] - times[0]:.1f} s, most in any 60 s {most}, {used:.2%} used, "
        f"by judge {sorted(shares)}\n"
    )
    assert most <= REQUESTS_PER_MINUTE
    assert used >= 0.95
    assert all(shares)
