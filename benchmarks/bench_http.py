"""Rollouts per second over HTTP with a scorer that does nothing, beside FastAPI at its best and a plain server."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.context import Context
from benchmarks.http_load import GET_REWARD, SCORE
from benchmarks.processes import BenchmarkFailed, Worker, free_port, metrics, service, started, until, worker
from benchmarks.report import installed
from benchmarks.tables import Section, percentile, spread

SHORTEST_TOKENS, LONGEST_TOKENS = 16, 256
LOADS = {1: 1_600, 64: 25_600}
"""Rollouts a request, and how many of them in a round."""
QUICK_SHARE = 10
AT_ONCE = 8
BEST_SHARE = 0.2
ROUNDS = 15
"""Many and short: what else the machine does then troubles all alike."""
OURS = "`/v1/score` of a service"
BARE = "bare FastAPI route with the same models (the limit)"
PLAIN = "OpenRLHF's `serve_rm` way, no models"


async def run(context: Context) -> Section:
    """Measure; `BenchmarkFailed` unless every rollout was scored."""
    folder = context.folder
    rounds, share = (1, QUICK_SHARE) if context.quick else (ROUNDS, 1)
    rates: dict[tuple[str, int], list[float]] = {}
    ratios: dict[tuple[str, int], list[float]] = {}
    latencies: dict[tuple[str, int], list[float]] = {}
    used: dict[tuple[str, int], list[float]] = {}
    async with (
        service("benchmarks.noop_service", folder / "noop.log", {}) as ours,
        _server("benchmarks.bare_route", folder / "bare.log") as bare,
        _server("benchmarks.serve_rm", folder / "plain.log") as plain,
        worker("benchmarks.http_load", folder / "http_load.log") as load,
    ):
        ports = {BARE: (bare, SCORE), OURS: (int(ours.rpartition(":")[2]), SCORE), PLAIN: (plain, GET_REWARD)}
        for port, path in ports.values():
            await _load(load, port=port, path=path, count=640, each=64)
        for number in range(rounds):
            for each, count in LOADS.items():
                context.console.log(f"HTTP, round {number + 1} of {rounds}: {each} rollouts a request")
                for name, (port, path) in ports.items():
                    before = await _cpu_seconds(name, port)
                    done = await _load(load, port=port, path=path, count=count // share, each=each)
                    cpu = (await _cpu_seconds(name, port) - before) / (count / share / each)
                    used.setdefault((name, each), []).append(1e6 * cpu)
                    rate = count / share / each / done["seconds"]
                    rates.setdefault((name, each), []).append(rate)
                    ratios.setdefault((name, each), []).append(rate / rates[BARE, each][-1])
                    latencies.setdefault((name, each), []).extend(done["latencies"])
    rows = [
        [
            name,
            str(each),
            spread(rates[name, each], 0),
            "1" if name == BARE else spread(ratios[name, each], 2),
            spread(used[name, each], 0),
            "1" if name == BARE else f"{_least(used[BARE, each]) / _least(used[name, each]):.2f}",
            " / ".join(f"{1000 * percentile(latencies[name, each], share):.1f}" for share in (0.5, 0.99)),
        ]
        for each in LOADS
        for name in ports
    ]
    return Section(
        title="The HTTP door, with a scorer that does nothing",
        text=(
            f"Three servers of one process each, asked by turns by one process with {AT_ONCE} connections; rollouts of "
            f"{SHORTEST_TOKENS} to {LONGEST_TOKENS} characters; median of {rounds} rounds, with least and greatest. "
            "The bare route parses the request into the contract's models, makes a score for each rollout and renders "
            "the answer: no batching, no keys, no request ids, no log, no metrics, no watching of callers that leave. "
            "The plain server parses no models at all. Ratio: requests per second over those of the bare route in the "
            "same round. CPU: of the server, for a request, and by how much of it the bare route needs less, each in "
            f"its best {100 * BEST_SHARE:.0f} % of rounds, which other work on the machine troubled least. Every "
            "rollout was scored."
        ),
        columns=(
            "server",
            "rollouts a request",
            "requests / s",
            "ratio",
            "CPU, µs a request",
            "ratio by CPU",
            "latency, ms: p50 / p99",
        ),
        rows=rows,
        versions=installed(["fastapi", "uvicorn", "httptools", "uvloop"]),
    )


def _least(values: Sequence[float]) -> float:
    return percentile(values, BEST_SHARE)


async def _cpu_seconds(name: str, port: int) -> float:
    """Of a server so far."""
    url = f"http://127.0.0.1:{port}"
    if name == OURS:
        return (await metrics(url))["process_cpu_seconds_total"]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return float((await client.get(f"{url}/readyz")).json()["cpu_seconds"])


async def _load(load: Worker, **command: Any) -> dict[str, Any]:
    sizes = {"shortest": SHORTEST_TOKENS, "longest": LONGEST_TOKENS, "seed": 1, "at_once": AT_ONCE}
    done = await load.ask(do="pour", **sizes, **command)
    if done["scored"] != command["count"]:
        raise BenchmarkFailed(f"{command['count'] - done['scored']} of {command['count']} were not scored")
    return done


@contextlib.asynccontextmanager
async def _server(module: str, log: Path) -> AsyncIterator[int]:
    """Yields the port of a server that is up."""
    port = free_port()
    async with started([sys.executable, "-m", module, str(port)], log, {}) as process:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:

            async def ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == httpx.codes.OK
                return False

            await until(ready, process, log)
        yield port
