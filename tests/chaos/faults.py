"""All faults: what is broken, what the stack needs for it, and what it may cost beyond time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from shared.queue.broker import CALL_SECONDS
from tests.chaos import clock, disk, network
from tests.chaos.proxy import Direction
from tests.chaos.strikes import (
    Strike,
    cable_pulled,
    disk_full,
    half_open,
    jump,
    killed,
    llm_killed,
    redis_killed,
    requester_killed,
    reset,
    slow,
    stopped,
)

if TYPE_CHECKING:
    from tests.chaos.stack import Stack

Side = Literal["requester", "scorers"]
ClockOf = Literal["redis", "scorers", "requester"]

LLM_AWAY = frozenset({"llm_unreachable", "llm_timeout", "llm_circuit_open", "llm_server_error"})
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


def _first(stack: Stack) -> Sequence[int]:
    return (0,)


def _all(stack: Stack) -> Sequence[int]:
    return range(len(stack.scorers))


SILENCES: Sequence[tuple[Direction, ...]] = (("requests",), ("replies",), ("requests", "replies"))
QUEUE, HTTP = Setup(), Setup(door="http")
JUDGES = Setup(judge=True)
LONG = (CALL_SECONDS + 1.0, CALL_SECONDS + 2.0)
"""Longer than a call of Redis may take."""

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
            may_expire=of == "redis" and (seconds > 0 or back),  # deadlines stand on the clock of Redis
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
