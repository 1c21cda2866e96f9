"""Ways to break a part of a stack and to mend it after so many seconds."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from tests.chaos.proxy import Direction
from tests.support.processes import Process

if TYPE_CHECKING:
    from tests.chaos.stack import Stack

Strike = Callable[["Stack", float], Awaitable[None]]
DELAY_SECONDS = 0.1
"""How long a slow connection holds each piece."""

# Processes


def killed(which: Callable[[Stack], Sequence[int]]) -> Strike:
    """Scorers are killed, and started again afterwards."""

    async def strike(stack: Stack, seconds: float) -> None:
        for number in which(stack):
            stack.scorers[number].kill()
            stack.note(f"scorer {number} killed")
        await asyncio.sleep(seconds)
        for number in which(stack):
            stack.start_scorer(number)

    return strike


def stopped(which: Callable[[Stack], Sequence[Process]]) -> Strike:
    """Processes stand still for a while, and go on as if nothing had been."""

    async def strike(stack: Stack, seconds: float) -> None:
        processes = which(stack)
        for process in processes:
            process.send(signal.SIGSTOP)
        stack.note(f"stopped: {len(processes)}")
        await asyncio.sleep(seconds)
        for process in processes:
            process.send(signal.SIGCONT)
        stack.note("going on")

    return strike


async def requester_killed(stack: Stack, seconds: float) -> None:
    stack.requester.kill()
    stack.note("requester killed")
    await asyncio.sleep(seconds)
    stack.start_requester()


async def redis_killed(stack: Stack, seconds: float) -> None:
    stack.redis.kill()
    stack.note("Redis killed")
    await asyncio.sleep(seconds)
    await stack.start_redis()


async def llm_killed(stack: Stack, seconds: float) -> None:
    stack.llm.kill()
    stack.note("LLM server killed")
    await asyncio.sleep(seconds)
    stack.start_llm()


# Disk, connections, network, clocks


async def disk_full(stack: Stack, seconds: float) -> None:
    """Redis refuses to write, or ends, by its ``appendfsync``; where it ended it is started again."""
    stack.disk.fill()
    stack.note("disk full")
    await asyncio.sleep(seconds)
    stack.disk.free()
    stack.note("disk has room")
    await asyncio.sleep(0.5)  # one that ends over what it was about to write does so now
    if not stack.redis.process.running:
        stack.note("Redis had ended")
        await stack.start_redis()


async def slow(stack: Stack, seconds: float) -> None:
    stack.proxy.delay_seconds = DELAY_SECONDS
    stack.note("connections are slow")
    await asyncio.sleep(seconds)
    stack.proxy.delay_seconds = 0.0
    stack.note("connections are quick again")


def half_open(*directions: Direction) -> Strike:
    """Nothing passes, and nobody is told; the connections stay dead."""

    async def strike(stack: Stack, seconds: float) -> None:
        stack.proxy.fall_silent(*directions)
        stack.note(f"silent: {', '.join(directions)}")
        await asyncio.sleep(seconds)
        stack.proxy.speak_again()
        stack.note("new connections are well")

    return strike


async def reset(stack: Stack, seconds: float) -> None:
    """All connections end; once more after the outage."""
    stack.note(f"{stack.proxy.reset()} connections reset")
    await asyncio.sleep(seconds)
    stack.note(f"{stack.proxy.reset()} connections reset")


async def cable_pulled(stack: Stack, seconds: float) -> None:
    stack.cable.pull()
    stack.note("cable pulled")
    await asyncio.sleep(seconds)
    stack.cable.plug_in()
    stack.note("cable plugged in")


def jump(seconds_off: int, *, back: bool) -> Strike:
    """The time of day jumps, and jumps back where it is to."""

    async def strike(stack: Stack, seconds: float) -> None:
        stack.clock.jump(seconds_off)
        stack.note(f"clock jumps by {seconds_off:+d} s")
        await asyncio.sleep(seconds)
        if back:
            stack.clock.jump(0)
            stack.note("clock jumps back")

    return strike
