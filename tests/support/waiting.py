"""Waiting for something that another task or process does, without counting on its speed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

GENEROUS_SECONDS = 60.0
"""Within this anything must happen; the machine may be busy with other things."""


async def until(condition: Callable[[], bool], what: str = "", timeout_seconds: float = GENEROUS_SECONDS) -> None:
    """Return when a condition holds; fail when it does not within the time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {timeout_seconds:g} s: {what or condition}"
        await asyncio.sleep(0.01)
