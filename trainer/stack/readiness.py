"""Waiting until processes can be used, with a time limit and an eye on those that end instead."""

from __future__ import annotations

import time
from collections.abc import Iterable

import httpx
import redis
from rich.console import Console

from trainer.stack.errors import StartFailed
from trainer.stack.process import ManagedProcess
from trainer.stack.redis_server import server_version

LOOK_SECONDS = 0.2
ANSWER_TIMEOUT_SECONDS = 5.0


def wait_until_ready(processes: Iterable[ManagedProcess], console: Console, timeout_seconds: float) -> None:
    """Return when all answer that they are ready; each is told to the console.

    Raises:
        StartFailed: One has ended, or was not ready in time.
    """
    begun = time.monotonic()
    waiting = list(processes)
    trouble: dict[str, str | None] = {}
    with console.status("") as status, httpx.Client(timeout=ANSWER_TIMEOUT_SECONDS, trust_env=False) as http:
        while waiting:
            for process in waiting:
                trouble[process.name] = why_not_ready(process.ready_url, http)
                # Looked at after the answer: on the port of a process that has ended, somebody else may have answered.
                if not process.running:
                    raise StartFailed(f"{process.name} ended before it was ready: {process.ending()}")
                if trouble[process.name] is None:
                    console.print(f"{process.name} is ready ({time.monotonic() - begun:.1f} s)", highlight=False)
            waiting = [process for process in waiting if trouble[process.name] is not None]
            if not waiting:
                return
            seconds = time.monotonic() - begun
            if seconds > timeout_seconds:
                late = waiting[0]
                what = f"{late.name} was not ready within {timeout_seconds:g} s ({trouble[late.name]})"
                raise StartFailed(f"{what}; {late.end_of_log()}")
            status.update(f"waiting for {', '.join(process.name for process in waiting)} ({seconds:.0f} s)")
            time.sleep(LOOK_SECONDS)


def why_not_ready(url: str, http: httpx.Client) -> str | None:
    """What keeps a Redis, or what answers 200 at a URL when it is ready, from being used; None when nothing does."""
    try:
        if url.startswith("redis"):
            server_version(url)
            return None
        answer = http.get(url)
    except (redis.RedisError, httpx.TransportError, OSError) as error:
        return f"no answer: {type(error).__name__}"
    return None if answer.status_code == httpx.codes.OK else f"{answer.url.path} answers {answer.status_code}"
