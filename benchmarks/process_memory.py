"""Whether a service process grows with what it has scored: a million rollouts through one, by queue and by HTTP.

python -m benchmarks.process_memory [--door queue] [--rollouts 1000000]

Nothing is timed, so a busy machine does not matter. Exit status 1 where its resident size after all of them is more
than 5 % above that after the first tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.context import Context
from benchmarks.noop_service import NAME
from benchmarks.processes import BenchmarkFailed, metrics, redis_server, service, worker
from benchmarks.tables import Section

DOORS = ("queue", "http")
ROLLOUTS, QUICK_ROLLOUTS = 1_000_000, 2_560
STEPS = 10
MOST_GROWTH = 0.05
LOADS = {"queue": ("benchmarks.queue_load", 256), "http": ("benchmarks.http_load", 64)}
"""What sends, and how many rollouts at a time."""
AT_ONCE = 8
MIB = 2**20


async def grown(door: str, rollouts: int, folder: Path, console: Console) -> list[float]:
    """Resident bytes of the process after each tenth of the rollouts; `BenchmarkFailed` unless all were scored."""
    module, each = LOADS[door]
    step = -(-rollouts // STEPS // each) * each
    sizes = []
    async with (
        redis_server(folder) as redis_url,
        service("benchmarks.noop_service", folder / "noop.log", {"redis_url": redis_url}) as url,
        worker(module, folder / "load.log") as load,
    ):
        where = {"url": f"{redis_url}?reward={NAME}", "port": int(url.rpartition(":")[2])}
        command: dict[str, Any] = {"count": step, "each": each, "at_once": AT_ONCE, "shortest": 16, "longest": 256}
        for number in range(STEPS):
            done = await load.ask(do="pour", seed=number, **command, **where)
            if done["scored"] != step:
                raise BenchmarkFailed(f"{step - done['scored']} of {step} were not scored")
            sizes.append((await metrics(url))["process_resident_memory_bytes"])
            console.log(f"{door}: {(number + 1) * step:,} rollouts, {sizes[-1] / MIB:.1f} MiB")
    return sizes


async def run(context: Context) -> Section:
    """The part of ``python -m benchmarks``; `BenchmarkFailed` where a process grew too much."""
    rollouts = QUICK_ROLLOUTS if context.quick else ROLLOUTS
    most = None if context.quick else MOST_GROWTH
    return await measured(DOORS, rollouts, context.folder, context.console, most)


async def measured(
    doors: Sequence[str], rollouts: int, folder: Path, console: Console, most_growth: float | None
) -> Section:
    """The table; `BenchmarkFailed` where a process grew by more than a share, if there is a bound."""
    rows = []
    for door in doors:
        own = folder / door
        own.mkdir()
        sizes = await grown(door, rollouts, own, console)
        growth = sizes[-1] / sizes[0] - 1
        if most_growth is not None and growth > most_growth:
            raise BenchmarkFailed(f"{door}: the process grew by {growth:.1%}, from {sizes[0] / MIB:.1f} MiB")
        rows.append([door, *(f"{size / MIB:.1f}" for size in (sizes[0], max(sizes), sizes[-1])), f"{growth:+.1%}"])
    return Section(
        title="The memory of a service process",
        text=(
            f"{rollouts:,} rollouts of 16 to 256 characters through one process with a scorer that does nothing. What "
            "it has resident after a tenth of them, at most at the end of any tenth, and after all, in MiB. Every "
            "rollout was scored."
        ),
        columns=["door", "after a tenth", "greatest", "after all", "growth"],
        rows=rows,
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.process_memory", description=__doc__)
    parser.add_argument("--door", choices=DOORS, action="append", help="this door alone; repeatable")
    parser.add_argument("--rollouts", type=int, default=ROLLOUTS)
    arguments = parser.parse_args()
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="zhufu-bench-") as folder:
            doors = arguments.door or DOORS
            section = asyncio.run(measured(doors, arguments.rollouts, Path(folder), console, MOST_GROWTH))
    except BenchmarkFailed as error:
        console.print(f"failed: {error}", style="red", markup=False)
        return 1
    console.print(section.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
