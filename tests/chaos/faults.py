"""All faults: what is broken, what the stack needs for it, and what it may cost beyond time."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Literal

from tests.chaos import clock, disk, network
from tests.chaos.proxy import Direction
from tests.support.processes import Process

if TYPE_CHECKING:
    from tests.chaos.stack import Stack

Side = Literal["requester", "scorers"]
ClockOf = Literal["redis", "scorers", "requester"]
Strike = Callable[["Stack", float], Awaitable[None]]
"""Breaks something of a stack, and mends it after so many seconds."""

LLM_AWAY = frozenset({"llm_unreachable", "llm_timeout", "llm_circuit_open", "llm_server_error"})
DELAY_SECONDS = 0.1
"""How long a slow connection holds each piece."""
HOUR = 3600
IMPATIENT_SECONDS = 10.0
"""How long an HTTP call may take where its connection may die without a word: only then does the caller know."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the stack of a round is made of.

    Attributes:
        door: How the requester asks.
        judge: The scorers are judges that ask a stand-in LLM server.
        proxy: Whose connections go through a proxy.
        fsync: When Redis sees to it that its file is on the disk.
        small_disk: Redis has a disk that can be filled.
        clock_of: Who has a clock that can jump.
        cable: The requester is in a network of its own.
        call_seconds: How long a call of the requester may take.
    """

    door: Literal["queue", "http"] = "queue"
    judge: bool = False
    proxy: Side | None = None
    fsync: Literal["everysec", "always"] = "everysec"
    small_disk: bool = False
    clock_of: ClockOf | None = None
    cable: bool = False
    call_seconds: float = 240.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break things.

    Attributes:
        kind: What is broken; of the same kind are several variants.
        outage_seconds: How long it lasts at least and at most.
        may_expire: Rollouts may expire by it that would have been scored.
        may_fail: With these codes rollouts may fail by it that would have been scored.
        missing: Why it cannot be done here, if so.
    """

    kind: str
    variant: str
    strike: Strike
    setup: Setup = Setup()
    outage_seconds: tuple[float, float] = (0.2, 3.0)
    may_expire: bool = False
    may_fail: frozenset[str] = frozenset()
    missing: Callable[[], str | None] = lambda: None

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.variant}"


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


def _first(stack: Stack) -> Sequence[int]:
    return (0,)


def _all(stack: Stack) -> Sequence[int]:
    return range(len(stack.scorers))


SILENCES: Sequence[tuple[Direction, ...]] = (("requests",), ("replies",), ("requests", "replies"))
QUEUE, HTTP = Setup(), Setup(door="http")
JUDGES = Setup(judge=True)
LONG = (11.0, 12.0)
"""Longer than a client of Redis waits for an answer, which is 10 s."""

JUMPS: Sequence[tuple[ClockOf, Sequence[int]]] = (
    ("redis", (HOUR, -HOUR, 10, -10)),
    ("scorers", (HOUR, -HOUR)),
    ("requester", (HOUR, -HOUR)),
)

FAULTS: Sequence[Fault] = (
    Fault(kind="scorer killed", variant="one of two", strike=killed(_first)),
    Fault(kind="scorer killed", variant="all", strike=killed(_all)),
    Fault(kind="scorer killed", variant="behind HTTP", strike=killed(_first), setup=HTTP),
    Fault(kind="scorer killed", variant="a judge of two", strike=killed(_first), setup=JUDGES),
    Fault(kind="scorer stopped", variant="one of two", strike=stopped(lambda stack: stack.scorers[:1])),
    Fault(
        kind="scorer stopped",
        variant="past its lease",
        strike=stopped(lambda stack: stack.scorers[:1]),
        outage_seconds=(3.0, 5.0),
    ),
    Fault(kind="scorer stopped", variant="all", strike=stopped(lambda stack: stack.scorers)),
    Fault(kind="scorer stopped", variant="behind HTTP", strike=stopped(lambda stack: stack.scorers[:1]), setup=HTTP),
    Fault(kind="requester killed", variant="of the queue", strike=requester_killed),
    Fault(kind="requester killed", variant="of HTTP", strike=requester_killed, setup=HTTP),
    Fault(kind="requester stopped", variant="of the queue", strike=stopped(lambda stack: [stack.requester])),
    Fault(kind="requester stopped", variant="of HTTP", strike=stopped(lambda s: [s.requester]), setup=HTTP),
    Fault(kind="LLM killed", variant="for a while", strike=llm_killed, setup=JUDGES, may_fail=LLM_AWAY),
    Fault(kind="LLM stopped", variant="for a while", strike=stopped(lambda stack: [stack.llm]), setup=JUDGES),
    Fault(
        kind="LLM stopped",
        variant="past its time-out",
        strike=stopped(lambda stack: [stack.llm]),
        setup=JUDGES,
        outage_seconds=(6.0, 8.0),
        may_fail=LLM_AWAY,
    ),
    Fault(kind="Redis killed", variant="appendfsync everysec", strike=redis_killed),
    Fault(kind="Redis killed", variant="appendfsync always", strike=redis_killed, setup=Setup(fsync="always")),
    Fault(kind="Redis killed", variant="under judges", strike=redis_killed, setup=JUDGES),
    Fault(kind="Redis stopped", variant="for a while", strike=stopped(lambda s: [s.redis.process])),
    Fault(
        kind="Redis stopped",
        variant="past time-outs",
        strike=stopped(lambda stack: [stack.redis.process]),
        outage_seconds=LONG,
    ),
    *(
        Fault(
            kind="disk full",
            variant=f"appendfsync {fsync}",
            strike=disk_full,
            setup=Setup(small_disk=True, fsync=fsync),
            missing=disk.missing,
        )
        for fsync in ("everysec", "always")
    ),
    Fault(kind="slow connection", variant="requester", strike=slow, setup=Setup(proxy="requester")),
    Fault(kind="slow connection", variant="scorers", strike=slow, setup=Setup(proxy="scorers")),
    Fault(kind="slow connection", variant="HTTP", strike=slow, setup=Setup(door="http", proxy="requester")),
    *(
        Fault(
            kind="half-open connection",
            variant=f"{side}, no {' and no '.join(silence)}",
            strike=half_open(*silence),
            setup=Setup(proxy=side),
            outage_seconds=(0.2, 1.0),
        )
        for side in ("requester", "scorers")
        for silence in SILENCES
    ),
    *(
        Fault(
            kind="half-open connection",
            variant=f"HTTP, no {' and no '.join(silence)}",
            strike=half_open(*silence),
            setup=Setup(door="http", proxy="requester", call_seconds=IMPATIENT_SECONDS),
            outage_seconds=(0.2, 1.0),
        )
        for silence in SILENCES
    ),
    Fault(kind="connection reset", variant="requester", strike=reset, setup=Setup(proxy="requester")),
    Fault(kind="connection reset", variant="scorers", strike=reset, setup=Setup(proxy="scorers")),
    Fault(kind="connection reset", variant="HTTP", strike=reset, setup=Setup(door="http", proxy="requester")),
    *(
        Fault(
            kind="clock jump",
            variant=f"{of}, {seconds:+d} s{', and back' if back else ''}",
            strike=jump(seconds, back=back),
            setup=Setup(clock_of=of),
            may_expire=of == "redis" and seconds > 0,  # deadlines stand on the clock of Redis
            missing=clock.missing,
        )
        for of, jumps in JUMPS
        for seconds in jumps
        for back in (False, True)
    ),
    Fault(
        kind="network cut", variant="for a while", strike=cable_pulled, setup=Setup(cable=True), missing=network.missing
    ),
    Fault(
        kind="network cut",
        variant="past time-outs",
        strike=cable_pulled,
        setup=Setup(cable=True),
        outage_seconds=LONG,
        missing=network.missing,
    ),
)
