"""Ending tasks so that they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

CANCEL_AGAIN_SECONDS = 1.0


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and return when all have ended, whatever they raise.

    Once is not always enough: `asyncio.wait_for` of Python 3.11, which redis-py sends with, drops a cancellation that
    comes just when what it waits for is done (https://github.com/python/cpython/issues/86296), and a loop around it
    would go on for ever. So they are cancelled until they hear it.

    There is no time limit: who calls this closes next what the tasks use, so to return while one runs would break the
    promise. A task ends at its first wait after it heard; a caller that has something better to do than to wait for
    one that never does puts `asyncio.timeout` around this.
    """
    ending = list(tasks)
    waiting = set(ending)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*ending, return_exceptions=True)
