"""``python -m benchmarks``: runs all benchmarks, prints their tables and writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console

from benchmarks import bench_queue, bench_reward_model
from benchmarks.processes import ROOT, BenchmarkFailed
from benchmarks.tables import Section

PARTS = ("queue", *(plan.size.name for plan in bench_reward_model.PLANS))
OUTPUT = ROOT / "docs" / "benchmarks.md"


async def measure(console: Console, parts: list[str]) -> list[Section]:
    """The chosen parts, one after the other."""
    sections: list[Section] = []
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="zhufu-bench-") as folder:
            if part == "queue":
                sections.append(await bench_queue.run(console, Path(folder)))
            else:
                plan = next(plan for plan in bench_reward_model.PLANS if plan.size.name == part)
                sections.append(await bench_reward_model.run(console, Path(folder), plan))
    return sections


def machine() -> str:
    """What it was measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return (
        f"{os.cpu_count()} cores ({model}), {platform.system()}, Python {platform.python_version()}, "
        f"torch {torch.__version__} with {torch.get_num_threads()} threads"
    )


def document(sections: list[Section], command: str, busy: float, minutes: float) -> str:
    """docs/benchmarks.md."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    head = [
        "# Benchmarks",
        "",
        f"Written by `{command}` (`make bench`) on {today} in {minutes:.1f} minutes; do not edit.",
        "",
        f"Machine: {machine()}. Its load before the start was {busy:.1f} (0 is quiet).",
        "",
        "Redis, the service, the baseline and the load generator are processes of their own on this one machine, so "
        "what the load generator takes is lost to the model. What is compared ran by turns, round by round.",
        "",
    ]
    return "\n".join([*head, *(section.markdown() for section in sections)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part alone and write nothing")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    console = Console()
    busy = os.getloadavg()[0]
    begun = time.monotonic()
    try:
        sections = asyncio.run(measure(console, arguments.only or list(PARTS)))
    except BenchmarkFailed as error:
        console.print(f"failed: {error}", style="red", markup=False)
        return 1
    for section in sections:
        console.print(section.table())
    if not arguments.only:
        text = document(sections, "python -m benchmarks", busy, (time.monotonic() - begun) / 60)
        arguments.output.write_text(text, encoding="utf-8")
        console.print(f"written to {arguments.output}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
