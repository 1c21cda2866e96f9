"""A single rollout through the queue, beside the least that redis-py needs for a round trip."""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
from typing import Any

from benchmarks.context import Context
from benchmarks.noop_service import NAME
from benchmarks.processes import BenchmarkFailed, Worker, cpu_seconds, metrics, redis_server, service, worker
from benchmarks.tables import Section, percentile, spread

SIZES = {"shortest": 16, "longest": 256, "seed": 1}
SINGLES, QUICK_SINGLES = 300, 10
ROUNDS = 10
BARE, OURS = "the bare protocol", "the queue"


@dataclasses.dataclass(slots=True)
class Figures:
    """Of one way. CPU is in µs a rollout, by process, one value a round."""

    latencies: list[float] = dataclasses.field(default_factory=list)
    medians_ms: list[float] = dataclasses.field(default_factory=list)
    requester: list[float] = dataclasses.field(default_factory=list)
    server: list[float] = dataclasses.field(default_factory=list)
    redis: list[float] = dataclasses.field(default_factory=list)

    def take(self, latencies: list[float], requester: float, server: float, redis: float) -> None:
        """One round: seconds of each round trip, and seconds of the CPU."""
        self.latencies += latencies
        self.medians_ms.append(1000 * statistics.median(latencies))
        for column, seconds in ((self.requester, requester), (self.server, server), (self.redis, redis)):
            column.append(1e6 * seconds / len(latencies))


async def run(context: Context) -> Section:
    """Measure; `BenchmarkFailed` unless every rollout was answered."""
    singles, rounds = (QUICK_SINGLES, 1) if context.quick else (SINGLES, ROUNDS)
    folder = context.folder
    found = {BARE: Figures(), OURS: Figures()}
    async with (
        redis_server(folder) as redis_url,
        service("benchmarks.noop_service", folder / "noop.log", {"redis_url": redis_url}) as url,
        worker("benchmarks.queue_load", folder / "load.log") as load,
        worker("benchmarks.bare_queue", folder / "bare-load.log") as bare_load,
        worker("benchmarks.bare_queue", folder / "bare-server.log") as bare_server,
    ):
        await bare_load.ask(do="prepare", url=redis_url)
        for number in range(-1, rounds):  # the first one warms up
            context.console.log(f"single rollouts, round {number + 1} of {rounds}")
            bare = await _bare(bare_load, bare_server, redis_url, singles)
            ours = await _ours(load, url, redis_url, singles)
            if number >= 0:
                found[BARE].take(*bare)
                found[OURS].take(*ours)
    return _section(found, singles, rounds)


async def _bare(load: Worker, server: Worker, redis_url: str, count: int) -> tuple[list[float], float, float, float]:
    before = cpu_seconds(_port(redis_url))
    served, asked = await asyncio.gather(
        server.ask(do="serve", url=redis_url, count=count),
        load.ask(do="ask", url=redis_url, count=count, **SIZES),
    )
    if asked["answered"] != count:
        raise BenchmarkFailed(f"{count - asked['answered']} of {count} were not answered")
    redis = cpu_seconds(_port(redis_url)) - before
    return asked["latencies"], asked["cpu_seconds"], served["cpu_seconds"], redis


async def _ours(load: Worker, url: str, redis_url: str, count: int) -> tuple[list[float], float, float, float]:
    redis, server = cpu_seconds(_port(redis_url)), await _cpu_of(url)
    command: dict[str, Any] = {"count": count, "each": 1, "at_once": 1, **SIZES}
    done = await load.ask(do="pour", url=f"{redis_url}?reward={NAME}", **command)
    if done["scored"] != count:
        raise BenchmarkFailed(f"{count - done['scored']} of {count} were not scored")
    server = await _cpu_of(url) - server
    return done["latencies"], done["cpu_seconds"], server, cpu_seconds(_port(redis_url)) - redis


async def _cpu_of(url: str) -> float:
    return (await metrics(url))["process_cpu_seconds_total"]


def _port(redis_url: str) -> int:
    return int(redis_url.rpartition(":")[2].partition("/")[0])


def _section(found: dict[str, Figures], singles: int, rounds: int) -> Section:
    rows = []
    for name, figures in found.items():
        ratios = [one / other for one, other in zip(figures.medians_ms, found[BARE].medians_ms, strict=True)]
        p50, p99 = (1000 * percentile(figures.latencies, share) for share in (0.5, 0.99))
        cpu = [spread(column, 0) for column in (figures.requester, figures.server, figures.redis)]
        rows.append([name, f"{p50:.2f} / {p99:.2f}", "1" if name == BARE else spread(ratios, 2), *cpu])
    return Section(
        title="A single rollout through the queue, and the least that redis-py needs",
        text=(
            f"One rollout after the other, {singles} of each way in a round; {rounds} rounds by turns, median with "
            "least and greatest. The bare protocol is a sketch of the same on the same Redis: XADD, a blocking "
            "XREADGROUP in another process, its answer by XADD with XACK and XDEL in one pipeline, a blocking XREAD, "
            "DEL. It parses no rollout, checks nothing, has no deadlines, no leases that anybody renews, no batches, "
            "no metrics, and no second try of what a server that died had read. Ratio: of the medians of a round. CPU: "
            "of each process, for a rollout."
        ),
        columns=(
            "",
            "round trip, ms: p50 / p99",
            "ratio",
            "CPU of the requester, µs",
            "CPU of the server, µs",
            "CPU of Redis, µs",
        ),
        rows=rows,
        notes=(
            "Where the time goes, by `py-spy record -p PID` on requester and service, before the requester's two "
            "commands went in one packet: writes to sockets take 33 and 28 % of their CPU, waiting and reading in the "
            "event loop 25 and 19 %, redis-py most of the rest."
        ),
    )
