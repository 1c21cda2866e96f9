"""Where the time of the reward model goes on one core: by size of batch, page faults beside it, and by operation.

python -m benchmarks.reward_profile                as the service runs it
python -m benchmarks.reward_profile --give-back    with malloc as it comes, which gives freed memory back

CPU seconds, so that a busy machine troubles it little.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path

import torch
from rich.console import Console
from torch.profiler import ProfilerActivity, profile

from benchmarks import workload
from benchmarks.checkpoints import BASE, SMALL, make_checkpoint
from benchmarks.offline import batches
from benchmarks.tables import Section
from services.reward_model.checkpoint import Checkpoint
from shared.allocator import keep_freed_memory

SIZES = {size.name: size for size in (SMALL, BASE)}
BATCH_SIZES = (1, 2, 4, 8)
SHORTEST_TOKENS, LONGEST_TOKENS = 16, 256
MAX_BATCH_TOKENS = 4_096
PROFILED_BATCH = 4
OPERATIONS = 8
"""Told by name; the rest is one row."""

Batches = list[list[list[int]]]


def by_batch_size(checkpoint: Checkpoint, token_ids: list[list[int]]) -> Section:
    """CPU time and page faults by size of batch, lengths sorted."""
    tokens = sum(map(len, token_ids))
    rows = []
    for size in BATCH_SIZES:
        cut = in_batches(token_ids, size)
        before = resource.getrusage(resource.RUSAGE_SELF)
        for batch in cut:
            checkpoint.logits(batch)
        after = resource.getrusage(resource.RUSAGE_SELF)
        seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        faults = (after.ru_minflt - before.ru_minflt) / len(token_ids)
        padded = sum(len(batch) * max(map(len, batch)) for batch in cut)
        rows.append(
            [
                str(size),
                f"{len(token_ids) / seconds:.1f}",
                f"{100 * (1 - tokens / padded):.0f} %",
                f"{faults:,.0f}",
                f"{100 * (after.ru_stime - before.ru_stime) / seconds:.0f} %",
            ]
        )
    return Section(
        title="By size of batch",
        text=f"{len(token_ids)} rollouts of {SHORTEST_TOKENS} to {LONGEST_TOKENS} tokens, one thread.",
        columns=("batch", "rollouts / CPU s", "padding", "page faults a rollout", "of the time in the kernel"),
        rows=rows,
    )


def by_operation(checkpoint: Checkpoint, token_ids: list[list[int]]) -> Section:
    """Share of the time of each operation, by torch's profiler."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for batch in in_batches(token_ids, PROFILED_BATCH):
            checkpoint.logits(batch)
    averages = sorted(profiled.key_averages(), key=lambda each: each.self_cpu_time_total, reverse=True)
    total = sum(each.self_cpu_time_total for each in averages)
    named = [(each.key, each.self_cpu_time_total) for each in averages[:OPERATIONS]]
    named.append(("all others", total - sum(time for _, time in named)))
    return Section(
        title="By operation",
        text=f"Batches of {PROFILED_BATCH}, one thread.",
        columns=("operation", "of the time"),
        rows=[[name, f"{100 * time / total:.0f} %"] for name, time in named],
    )


def in_batches(token_ids: list[list[int]], size: int) -> Batches:
    """Longest first."""
    ordered = sorted(token_ids, key=len, reverse=True)
    return [[ordered[row] for row in rows] for rows in batches(ordered, size, MAX_BATCH_TOKENS)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reward_profile", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default=SMALL.name, help="of the model")
    parser.add_argument("--rollouts", type=int, default=96)
    parser.add_argument("--give-back", action="store_true", help="malloc as it comes")
    given = parser.parse_args()
    if not given.give_back:
        keep_freed_memory()
    torch.set_num_threads(1)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="zhufu-profile-") as folder:
        make_checkpoint(SIZES[given.size], Path(folder))
        checkpoint = Checkpoint(Path(folder), given.size, torch.device("cpu"), torch.float32)
    asked = workload.rollouts(given.rollouts, SHORTEST_TOKENS, LONGEST_TOKENS, seed=2)
    token_ids = checkpoint.encode([each.prompt for each in asked], [each.completion for each in asked])
    checkpoint.logits(token_ids[:1])
    for section in (by_batch_size(checkpoint, token_ids), by_operation(checkpoint, token_ids)):
        console.print(section.table())


if __name__ == "__main__":
    main()
