"""The reward that docs/extending.md shows, as a real service at both doors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.client import RewardClient
from shared.schemas import Rollout
from tests.support.processes import ROOT, RedisServer, Service, free_port

COUPLET = Rollout(id="couplet", prompt="写一副春联", completion="春回大地千山秀\n日照神州万木荣")
HALF = Rollout(id="half", prompt="写一副春联", completion="春来人间\n春到人家")
PROSE = Rollout(id="prose", prompt="写一副春联", completion="新年好，祝大家都好！")


@pytest.fixture
def service(redis_server: RedisServer, tmp_path: Path) -> Iterator[Service]:
    command = [sys.executable, str(ROOT / "docs" / "examples" / "couplet_reward.py")]
    environment = {"PYTHONPATH": str(ROOT), "ZHUFU_REDIS_URL": redis_server.url}
    service = Service(command, tmp_path / "couplet.log", environment, free_port())
    try:
        service.wait_until()
        yield service
    finally:
        service.end()


@pytest.mark.parametrize("door", ["http", "queue"])
async def test_it_scores_couplets_and_fails_what_is_none(
    service: Service, redis_server: RedisServer, door: str
) -> None:
    url = service.url if door == "http" else f"{redis_server.url}?reward=couplet"
    async with RewardClient.from_url(url, timeout_seconds=60) as client:
        couplet, half, prose = await client.score([COUPLET, HALF, PROSE])
    assert (couplet.reward, couplet.version) == (1.0, "couplet@1")
    assert half.reward == 0.5
    assert (prose.status, prose.reward) == ("failed", None)
    assert prose.error is not None
    assert prose.error.code == "no_couplet"
