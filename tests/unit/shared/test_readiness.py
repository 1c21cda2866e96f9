from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry, Gauge

from shared.errors import NotReady
from shared.readiness import ReadinessWatch
from tests.support.waiting import until


class Watched:
    """A watch over a check that does as it is told."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.does: Callable[[], None] = lambda: None
        self.hangs = False
        self.looks = 0
        gauge = Gauge("ready", "As the test makes it.", registry=self.registry)
        gauge.set(7)
        self.watch = ReadinessWatch(self._check, gauge, interval_seconds=0.01, timeout_seconds=0.05)

    async def _check(self) -> None:
        self.looks += 1
        if self.hangs:
            await asyncio.Event().wait()
        self.does()

    @property
    def shown(self) -> float | None:
        return self.registry.get_sample_value("ready")


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    watched = Watched()
    yield watched
    await watched.watch.stop()


def raising(error: Exception) -> Callable[[], None]:
    def check() -> None:
        raise error

    return check


async def test_nothing_is_ready_before_the_watch_begins(watched: Watched) -> None:
    assert watched.shown == 0
    assert watched.looks == 0


@pytest.mark.parametrize("error", [NotReady("Redis does not answer"), RuntimeError("a defect")])
async def test_what_cannot_score_is_shown_until_it_can_again(watched: Watched, error: Exception) -> None:
    watched.watch.start()
    await until(lambda: watched.shown == 1)
    watched.does = raising(error)
    await until(lambda: watched.shown == 0)
    watched.does = lambda: None
    await until(lambda: watched.shown == 1)


async def test_a_check_that_hangs_is_not_ready_and_does_not_hold_the_watch(watched: Watched) -> None:
    watched.watch.start()
    await until(lambda: watched.shown == 1)
    watched.hangs = True
    await until(lambda: watched.shown == 0)
    watched.hangs = False
    await until(lambda: watched.shown == 1)


async def test_what_ends_is_not_ready_and_is_not_looked_at_any_more(watched: Watched) -> None:
    watched.watch.start()
    await until(lambda: watched.shown == 1)
    await watched.watch.stop()
    looks = watched.looks
    await asyncio.sleep(0.05)
    assert watched.shown == 0
    assert watched.looks == looks
