"""``python -m tests.chaos``: many rounds, each with a line in a log; fails where one does not balance."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.plan import Plan, drawn
from tests.chaos.rounds import Entry, run_round

ROUNDS = 100
JOBS = 4
"""Rounds mostly wait; four at a time keep two cores busy."""


def possible(console: Console, faults: Sequence[Fault]) -> list[Fault]:
    """The faults that can be done here; for the others it is said why not, once for each kind."""
    reasons = {fault.kind: reason for fault in faults if (reason := fault.missing()) is not None}
    for kind, reason in reasons.items():
        console.print(f"left out: {kind}: {reason}", style="yellow", markup=False)
    return [fault for fault in faults if fault.missing() is None]


async def run(console: Console, plans: Sequence[Plan], log: Path | None, jobs: int) -> list[Entry]:
    """Run all rounds, so many at a time; their entries in the order in which they ended."""
    entries: list[Entry] = []
    slots = asyncio.Semaphore(jobs)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("all balanced", total=len(plans))

        async def one(plan: Plan) -> None:
            async with slots:
                with tempfile.TemporaryDirectory(prefix="zhufu-chaos-", ignore_cleanup_errors=True) as folder:
                    entry = await run_round(plan, Path(folder))
            entries.append(entry)
            if log is not None:
                with log.open("a", encoding="utf-8") as lines:
                    lines.write(entry.model_dump_json() + "\n")
            if not entry.balanced:
                _tell(console, entry)
            unbalanced = sum(not each.balanced for each in entries)
            text = f"{unbalanced} not balanced" if unbalanced else "all balanced"
            progress.update(bar, advance=1, description=f"{text} · {entry.fault}")

        async with asyncio.TaskGroup() as group:
            for plan in plans:
                group.create_task(one(plan))
    return entries


def _tell(console: Console, entry: Entry) -> None:
    """The whole story of a round that does not balance."""
    console.rule(f"seed {entry.seed}: {entry.fault}", style="red")
    for line in (*entry.troubles, *entry.story):
        console.print(line, markup=False, highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, help="of the first round, the others follow; drawn by default")
    parser.add_argument("--log", type=Path, help="a .jsonl file that gets a line for each round")
    parser.add_argument("--fault", action="append", default=[], help="only faults with this in their name; repeatable")
    parser.add_argument("--jobs", type=int, default=JOBS, help="rounds at a time")
    parser.add_argument("--list", action="store_true", help="name all faults and do nothing")
    chosen = parser.parse_args(arguments)
    console = Console()
    if chosen.list:
        for fault in FAULTS:
            console.print(fault.name, fault.missing() or "", markup=False, highlight=False)
        return 0
    wanted = [fault for fault in FAULTS if not chosen.fault or any(part in fault.name for part in chosen.fault)]
    faults = possible(console, wanted)
    if not faults:
        parser.error("none of these faults can be done here")
    first = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    plans = [drawn(seed, faults) for seed in range(first, first + chosen.rounds)]
    entries = asyncio.run(run(console, plans, chosen.log, chosen.jobs))
    bad = [entry.seed for entry in entries if not entry.balanced]
    expected, scored, failed, expired = (
        sum(getattr(entry, name) for entry in entries) for name in ("expected", "scored", "failed", "expired")
    )
    console.print(
        f"{len(entries)} rounds from seed {first}: {expected} expected = {scored} scored + {failed} failed + "
        f"{expired} expired; {len(bad)} not balanced{f': seeds {bad}' if bad else ''}",
        markup=False,
        highlight=False,
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
