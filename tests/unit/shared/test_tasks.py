from __future__ import annotations

import asyncio

import pytest

from shared.tasks import end_tasks
from tests.support.waiting import GENEROUS_SECONDS


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.tasks.CANCEL_AGAIN_SECONDS", 0.02)


async def deaf(cancellations: int) -> None:
    """Drops some cancellations, as `asyncio.wait_for` of Python 3.11 may."""
    while True:
        try:
            await asyncio.sleep(GENEROUS_SECONDS)
        except asyncio.CancelledError:
            cancellations -= 1
            if cancellations < 0:
                raise


async def raises() -> None:
    raise ValueError("an end of its own")


async def test_tasks_that_miss_a_cancellation_are_cancelled_again() -> None:
    tasks = [asyncio.create_task(deaf(number)) for number in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(GENEROUS_SECONDS):
        await end_tasks(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_tasks_that_ended_or_raised_are_no_trouble() -> None:
    tasks = [asyncio.create_task(raises()), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.sleep(0.01)
    await end_tasks(tasks)
    await end_tasks([])
    assert isinstance(tasks[0].exception(), ValueError)
