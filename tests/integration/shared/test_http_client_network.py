"""A machine behind a network that dies without a word; the network is a namespace with a cable that can be pulled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.client import RewardClient
from tests.chaos.network import Cable, missing
from tests.support.greetings import rollouts
from tests.support.processes import Service, free_port, service_command
from tests.support.queues import assert_all_scored, begun
from tests.support.waiting import GENEROUS_SECONDS, until

KEY = "a-key-for-tests"


@pytest.fixture
def cable() -> Iterator[Cable]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with Cable() as cable:
        yield cable


class Distant(Service):
    """A service at the far end of a cable; it is not waited for, as its host is not this one."""

    def __init__(self, cable: Cable, output: Path, port: int, *arguments: str) -> None:
        environment = {"ZHUFU_HOST": cable.far, "ZHUFU_API_KEYS": KEY, "ZHUFU_LOG_FORMAT": "json"}
        super().__init__(cable.inside(service_command(*arguments)), output, environment, port)


async def test_a_machine_that_dies_without_a_word_is_noticed_long_before_the_call_ends(
    cable: Cable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.client.http.KEEPALIVE_IDLE_SECONDS", 1)
    monkeypatch.setattr("shared.client.http.KEEPALIVE_INTERVAL_SECONDS", 1)
    log, port = tmp_path / "begun", free_port()
    dying = Distant(cable, tmp_path / "dying.log", port, "--score-when", str(tmp_path / "never"), "--log", str(log))
    replacement: Distant | None = None
    try:
        async with RewardClient.from_url(
            f"http://{cable.far}:{port}", api_key=KEY, timeout_seconds=10 * GENEROUS_SECONDS
        ) as client:
            scoring = asyncio.create_task(client.score(rollouts(5)))
            await until(lambda: bool(begun(log)), "some are in work", 2 * GENEROUS_SECONDS)
            cable.pull()
            cable.forget_connections()
            dying.kill()
            died = time.monotonic()
            cable.plug_in()
            replacement = Distant(cable, tmp_path / "replacement.log", port)
            assert_all_scored(rollouts(5), await scoring)
        assert time.monotonic() - died < 3 * GENEROUS_SECONDS
    finally:
        dying.end()
        if replacement is not None:
            replacement.end()
