"""The queue beside taskiq (Redis streams) and arq: the same rollouts, the same Redis, a scorer that does nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from benchmarks.context import Context
from benchmarks.noop_service import NAME
from benchmarks.peer_queues.load import POLL_SECONDS, URL_VARIABLE
from benchmarks.peers import PeersAbsent, peer_python, peer_versions
from benchmarks.processes import ROOT, BenchmarkFailed, Worker, redis_server, service, started, worker
from benchmarks.tables import Section, percentile, spread

PEERS = {"taskiq": ("taskiq==0.13.0", "taskiq-redis==1.2.4"), "arq": ("arq==0.28.0",)}
"""An environment each, as they want different versions of redis-py."""
BESIDES = ("pydantic>=2.11", "uvloop>=0.21", "hiredis>=3.0")
SHORTEST_TOKENS, LONGEST_TOKENS = 16, 256
CONSUMERS = (1, 2, 4)
AT_ONCE, EACH = 8, 64
OUR_ROLLOUTS, PEER_ROLLOUTS = 40_960, 2_048
SINGLES = 200
ROUNDS = 3
QUICK_SHARE = 4
OURS = "zhufu"


@dataclasses.dataclass(frozen=True, slots=True)
class System:
    """One queue: how many rollouts it gets in a round, what makes the load, and what starts its consumers."""

    name: str
    rollouts: int
    load: Callable[[], contextlib.AbstractAsyncContextManager[Worker]]
    consumers: Callable[[int], contextlib.AbstractAsyncContextManager[None]]


@dataclasses.dataclass(slots=True)
class Figures:
    """Of one system with one number of consumers."""

    rates: list[float] = dataclasses.field(default_factory=list)
    ratios: list[float] = dataclasses.field(default_factory=list)
    latencies: list[float] = dataclasses.field(default_factory=list)


async def run(context: Context) -> Section:
    """Measure; `BenchmarkFailed` unless every rollout was scored."""
    rounds, share = (1, QUICK_SHARE) if context.quick else (ROUNDS, 1)
    pythons: dict[str, Path] = {}
    versions: dict[str, str] = {}
    absent: list[str] = []
    for name, packages in PEERS.items():
        try:
            pythons[name] = peer_python(context, name, [*packages, *BESIDES])
            versions |= peer_versions(pythons[name], [package.partition("=")[0] for package in packages])
        except PeersAbsent as error:
            absent.append(f"{name} was left out: {error}.")
    found: dict[tuple[int, str], Figures] = {}
    async with redis_server(context.folder) as url:
        admin = Redis.from_url(url)
        systems = _systems(context.folder, url, pythons)
        for consumers in CONSUMERS:
            for number in range(rounds):
                best = 0.0
                for system in reversed(systems):  # the peers first: ours is compared with the better of them
                    context.console.log(f"queues, {consumers} consumers, round {number + 1} of {rounds}: {system.name}")
                    await admin.flushall()
                    figures = found.setdefault((consumers, system.name), Figures())
                    async with system.consumers(consumers), system.load() as load:
                        await _pour(load, url, count=EACH * 2, at_once=1, each=EACH)
                        count = system.rollouts // share
                        done = await _pour(load, url, count=count, at_once=AT_ONCE, each=EACH)
                        singles = {"count": SINGLES // share, "at_once": 1, "each": 1}
                        figures.latencies += (await _pour(load, url, **singles))["latencies"]
                    rate = count / done["seconds"]
                    figures.rates.append(rate)
                    if system.name == OURS and best:
                        figures.ratios.append(rate / best)
                    best = max(best, rate)
        await admin.aclose()
    return _section(found, rounds, versions, " ".join(absent))


def _systems(folder: Path, url: str, pythons: Mapping[str, Path]) -> Sequence[System]:
    environment = {URL_VARIABLE: url, "PYTHONPATH": str(ROOT)}

    @contextlib.asynccontextmanager
    async def ours(count: int) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for number in range(count):
                log = folder / f"noop-{number}.log"
                await stack.enter_async_context(service("benchmarks.noop_service", log, {"redis_url": url}))
            yield

    @contextlib.asynccontextmanager
    async def taskiq(count: int) -> AsyncIterator[None]:
        module = "benchmarks.peer_queues.taskiq_peer:broker"
        command = [
            str(pythons["taskiq"]),
            "-m",
            "taskiq",
            "worker",
            module,
            "--workers",
            str(count),
            "--log-level",
            "WARNING",
        ]
        async with started(command, folder / "taskiq.log", environment):
            yield

    @contextlib.asynccontextmanager
    async def arq(count: int) -> AsyncIterator[None]:
        command = [str(pythons["arq"]), "-m", "arq", "benchmarks.peer_queues.arq_peer.WorkerSettings"]
        async with contextlib.AsyncExitStack() as stack:
            for number in range(count):
                await stack.enter_async_context(started(command, folder / f"arq-{number}.log", environment))
            yield

    def peer_load(name: str) -> contextlib.AbstractAsyncContextManager[Worker]:
        module, log = f"benchmarks.peer_queues.{name}_peer", folder / f"{name}-load.log"
        return worker(module, log, python=pythons[name], environment=environment)

    def our_load() -> contextlib.AbstractAsyncContextManager[Worker]:
        return worker("benchmarks.queue_load", folder / "load.log")

    consumers = {"taskiq": taskiq, "arq": arq}
    peers = [
        System(name, PEER_ROLLOUTS, functools.partial(peer_load, name), consumers[name])
        for name in consumers
        if name in pythons
    ]
    return [System(OURS, OUR_ROLLOUTS, our_load, ours), *peers]


async def _pour(load: Worker, url: str, **command: Any) -> dict[str, Any]:
    sizes = {"shortest": SHORTEST_TOKENS, "longest": LONGEST_TOKENS, "seed": 1}
    done = await load.ask(do="pour", url=f"{url}?reward={NAME}", **sizes, **command)
    if done["scored"] != command["count"]:
        raise BenchmarkFailed(f"{command['count'] - done['scored']} of {command['count']} were not scored")
    return done


def _section(found: dict[tuple[int, str], Figures], rounds: int, versions: dict[str, str], notes: str) -> Section:
    rows = []
    for (consumers, name), figures in sorted(found.items(), key=lambda each: (each[0][0], each[0][1] != OURS)):
        p50, p99 = (1000 * percentile(figures.latencies, share) for share in (0.5, 0.99))
        ratio = spread(figures.ratios, 1) if figures.ratios else ""
        rows.append([name, str(consumers), spread(figures.rates, 0), ratio, f"{p50:.1f} / {p99:.1f}"])
    return Section(
        title="The queue beside other queues, with a scorer that does nothing",
        text=(
            f"{AT_ONCE} requesters in one process, each asking for {EACH} rollouts at a time and awaiting all results: "
            f"{OUR_ROLLOUTS:,} rollouts of {SHORTEST_TOKENS} to {LONGEST_TOKENS} characters in a round, for the "
            f"others, which are slower, {PEER_ROLLOUTS:,}; median of {rounds} rounds by turns, with least and "
            "greatest. A consumer is a process. One Redis for all, emptied between them, its append-only file written "
            "out every second. Ratio: rollouts per second over those of the better of the others in the same round. "
            "Round trip: single rollouts, one after the other. Every job's result is read by who asked, once, and "
            "expires. taskiq: RedisStreamBroker and RedisAsyncResultBackend; arq: "
            f"256 jobs at a time. Both look for results, and arq's worker for jobs, every {1000 * POLL_SECONDS:g} ms "
            "here; by default it is every 200 or 500 ms. Ours scores in batches and saves results in batches, which "
            "they do not; what is asked, answered and kept by Redis is the same."
        ),
        columns=("queue", "consumers", "rollouts / s", "ratio", "round trip, ms: p50 / p99"),
        rows=rows,
        versions=versions,
        notes=notes,
    )
