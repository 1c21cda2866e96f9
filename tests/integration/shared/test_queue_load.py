"""Many rollouts through one process: all accounted for, in flat memory."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from tests.conftest import StartService
from tests.support.effort import SLOW
from tests.support.greetings import rollouts
from tests.support.processes import RedisServer
from tests.support.queues import counted, length_of, queue_of
from tests.support.scorers import reward_of

ROLLOUTS = 100_000 if SLOW else 40_000
GROWTH_BYTES = 150 * ROLLOUTS
"""Between a fifth of the run and its end. What keeps but 200 bytes of each rollout exceeds it."""


@pytest.mark.timeout(600)
async def test_many_rollouts_are_all_accounted_for_in_flat_memory(
    start_service: StartService, redis_server: RedisServer
) -> None:
    service = start_service(redis=redis_server)
    service.wait_until()
    process = psutil.Process(service.id)
    sizes: list[tuple[int, int]] = []

    async def watch() -> None:
        while True:
            done = await asyncio.to_thread(counted, service, "scored")
            sizes.append((done, process.memory_info().rss))
            await asyncio.sleep(0.05)  # fast machines are done in three seconds

    asked = rollouts(ROLLOUTS)
    watching = asyncio.create_task(watch())
    async with queue_of(redis_server, timeout_seconds=500) as client:
        scores = await client.score(asked)
    sizes.append((counted(service, "scored"), process.memory_info().rss))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert [score.id for score in scores] == [each.id for each in asked]
    assert all(score.reward == reward_of(each) for each, score in zip(asked, scores, strict=True))
    assert counted(service, "scored") == ROLLOUTS
    assert length_of(redis_server) == 0
    later = [size for done, size in sizes if done >= ROLLOUTS / 5]
    assert len(later) >= 5
    assert max(later) - later[0] < GROWTH_BYTES, sizes
