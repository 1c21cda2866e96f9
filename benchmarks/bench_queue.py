"""Rollouts per second through the queue with a scorer that does nothing, and latency at low load."""

from __future__ import annotations

from typing import Any

from benchmarks.context import Context
from benchmarks.noop_service import NAME
from benchmarks.processes import BenchmarkFailed, Worker, metrics, redis_server, service, worker
from benchmarks.tables import Section, percentile, spread

SHORTEST_TOKENS, LONGEST_TOKENS = 16, 256
ROLLOUTS = 50_000
QUICK_ROLLOUTS = 1_000
ROUNDS = 3
LOADS = ((8, 256), (8, 64), (32, 16), (64, 1))
"""(requesters, rollouts a call); the first gets all `ROLLOUTS`, the others a share of them."""
FEWER = 5
SINGLE_ROLLOUTS = 200
QUICK_SINGLE_ROLLOUTS = 10
SINGLE_PAUSE_SECONDS = 0.02


async def run(context: Context) -> Section:
    """Measure; `BenchmarkFailed` unless every rollout was scored."""
    rollouts, rounds, singles = ROLLOUTS, ROUNDS, SINGLE_ROLLOUTS
    if context.quick:
        rollouts, rounds, singles = QUICK_ROLLOUTS, 1, QUICK_SINGLE_ROLLOUTS
    folder = context.folder
    async with (
        redis_server(folder) as redis_url,
        service("benchmarks.noop_service", folder / "noop.log", {"redis_url": redis_url}) as url,
        worker("benchmarks.queue_load", folder / "queue_load.log") as queue,
        worker("benchmarks.http_load", folder / "http_load.log") as http,
    ):
        through_queue = {"url": f"{redis_url}?reward={NAME}"}
        over_http = {"port": int(url.rpartition(":")[2])}
        await _load(queue, url, count=rollouts // 25, at_once=8, each=64, **through_queue)
        await _load(http, url, count=rollouts // 100, at_once=8, each=1, **over_http)
        rates: dict[tuple[int, int], list[float]] = {load: [] for load in LOADS}
        service_cpu: dict[tuple[int, int], list[float]] = {load: [] for load in LOADS}
        for number in range(rounds):
            for requesters, each in LOADS:
                count = rollouts if (requesters, each) == LOADS[0] else rollouts // FEWER
                context.console.log(f"queue, round {number + 1} of {rounds}: {requesters} requesters, {each} a call")
                done = await _load(queue, url, count=count, at_once=requesters, each=each, **through_queue)
                rates[requesters, each].append(count / done["seconds"])
                service_cpu[requesters, each].append(1e6 * done["service_cpu_seconds"] / count)
        single = {"count": singles, "at_once": 1, "each": 1}
        alone = [
            (f"{name}, {when}", await _load(load, url, **single, pause_seconds=pause, **told))
            for name, load, told in (("through the queue", queue, through_queue), ("over HTTP", http, over_http))
            for when, pause in (("one after the other", 0.0), ("with pauses", SINGLE_PAUSE_SECONDS))
        ]
    rows = [
        [
            f"{requesters} requesters, {each} rollouts a call",
            spread(rates[requesters, each], 0),
            spread(service_cpu[requesters, each], 0),
            "",
        ]
        for requesters, each in LOADS
    ]
    for name, done in alone:
        p50, p95 = (1000 * percentile(done["latencies"], share) for share in (0.5, 0.95))
        rows.append([f"single rollouts {name}", "", "", f"{p50:.1f} / {p95:.1f}"])
    return Section(
        title="The queue, with a scorer that does nothing",
        text=(
            f"One service process, one Redis (append-only file, written out every second), and one process with all "
            f"requesters; {rollouts:,} rollouts of {SHORTEST_TOKENS} to {LONGEST_TOKENS} characters in the first row, "
            f"{rollouts // FEWER:,} in the next ones; median of {rounds} rounds, with least and greatest. Every "
            f"rollout was scored. Latency: {singles} single rollouts, the next one at once, or after a pause of "
            f"{SINGLE_PAUSE_SECONDS:g} s, in which the machine falls asleep."
        ),
        columns=("load", "rollouts / s", "CPU of the service, µs a rollout", "latency, ms: median / 95th percentile"),
        rows=rows,
    )


async def _load(load: Worker, service_url: str, **command: Any) -> dict[str, Any]:
    before = (await metrics(service_url))["process_cpu_seconds_total"]
    done = await load.ask(do="load", shortest=SHORTEST_TOKENS, longest=LONGEST_TOKENS, seed=1, **command)
    if len(done["rewards"]) != command["count"]:
        raise BenchmarkFailed(f"{command['count'] - len(done['rewards'])} of {command['count']} were not scored")
    return {**done, "service_cpu_seconds": (await metrics(service_url))["process_cpu_seconds_total"] - before}
