"""Noticing that a caller has gone, so that nothing more is done for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from shared.tasks import end_tasks

Result = TypeVar("Result")


async def disconnected(request: Request) -> None:
    """Return when the caller has gone. To be awaited only after the body was read, which it would swallow."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result | None:
    """What comes of some work; None, and the work is ended, where the caller goes first. Raises what the work does."""
    task, gone = asyncio.create_task(work), asyncio.create_task(disconnected(request))
    try:
        await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await end_tasks([task, gone])
