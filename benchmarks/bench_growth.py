"""The queue as rollouts grow from a thousand to a million, and consumers from one to eight."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from benchmarks.context import Context
from benchmarks.noop_service import NAME
from benchmarks.processes import BenchmarkFailed, Worker, metrics, redis_server, service, worker
from benchmarks.tables import Section, percentile

SHORTEST_TOKENS, LONGEST_TOKENS = 16, 256
STEPS = ((1_000, 1), (10_000, 1), (100_000, 1), (1_000_000, 1), (100_000, 2), (100_000, 4), (100_000, 8))
"""(rollouts, consumers)"""
QUICK_STEPS = ((500, 1), (1_000, 2))
AT_ONCE, EACH = 8, 256
MIB = 2**20


async def run(context: Context) -> Section:
    """Measure; `BenchmarkFailed` unless every rollout was scored."""
    rows = []
    for number, (rollouts, consumers) in enumerate(QUICK_STEPS if context.quick else STEPS):
        context.console.log(f"growth: {rollouts:,} rollouts, {consumers} consumers")
        folder = context.folder / str(number)
        folder.mkdir()
        rows.append(await _step(folder, rollouts, consumers))
    return Section(
        title="The queue as it grows",
        text=(
            f"A fresh Redis (append-only file, written out every second) and fresh service processes for each row; one "
            f"process with {AT_ONCE} requesters, {EACH} rollouts of {SHORTEST_TOKENS} to {LONGEST_TOKENS} characters a "
            "call. Every rollout was scored. Consumers are processes: on a machine with fewer cores they share them. "
            "Memory is what a process has resident (the largest of the services) before and after, and what the data "
            "of Redis took at most."
        ),
        columns=(
            "rollouts",
            "consumers",
            "rollouts / s",
            "a call, ms: p50 / p99",
            "CPU of the services, µs a rollout",
            "a service, MiB: before / after",
            "Redis, MiB",
        ),
        rows=rows,
    )


async def _step(folder: Path, rollouts: int, consumers: int) -> list[str]:
    async with contextlib.AsyncExitStack() as stack:
        redis_url = await stack.enter_async_context(redis_server(folder))
        urls = [
            await stack.enter_async_context(
                service("benchmarks.noop_service", folder / f"noop-{number}.log", {"redis_url": redis_url})
            )
            for number in range(consumers)
        ]
        load = await stack.enter_async_context(worker("benchmarks.queue_load", folder / "load.log"))
        await _pour(load, redis_url, EACH)
        before = [await metrics(url) for url in urls]
        done = await _pour(load, redis_url, rollouts)
        after = [await metrics(url) for url in urls]
        admin = Redis.from_url(redis_url)
        peak = cast("int", (await admin.memory_stats())["peak.allocated"])
        await admin.aclose()
    cpu = sum(one["process_cpu_seconds_total"] for one in after) - sum(
        one["process_cpu_seconds_total"] for one in before
    )
    resident = [max(each["process_resident_memory_bytes"] for each in samples) / MIB for samples in (before, after)]
    p50, p99 = (1000 * percentile(done["latencies"], share) for share in (0.5, 0.99))
    return [
        f"{rollouts:,}",
        str(consumers),
        f"{rollouts / done['seconds']:,.0f}",
        f"{p50:,.0f} / {p99:,.0f}",
        f"{1e6 * cpu / rollouts:.0f}",
        f"{resident[0]:.0f} / {resident[1]:.0f}",
        f"{peak / MIB:.0f}",
    ]


async def _pour(load: Worker, redis_url: str, count: int) -> dict[str, Any]:
    sizes = {"shortest": SHORTEST_TOKENS, "longest": LONGEST_TOKENS, "seed": 1}
    url = f"{redis_url}?reward={NAME}"
    done = await load.ask(do="pour", url=url, count=count, at_once=AT_ONCE, each=EACH, **sizes)
    if done["scored"] != count:
        raise BenchmarkFailed(f"{count - done['scored']} of {count} were not scored")
    return done
