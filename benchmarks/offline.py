"""The baseline: the same model run offline, without service, HTTP or queue, in a process of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import workload
from benchmarks.processes import serve_commands
from services.reward_model.checkpoint import Checkpoint
from shared.allocator import keep_freed_memory

TokenIds = list[int]


def batches(token_ids: Sequence[TokenIds], max_rollouts: int, max_tokens: int) -> Iterator[list[int]]:
    """Cut into batches as they stand: row numbers, at most ``max_tokens`` of them with padding."""
    batch: list[int] = []
    longest = 0
    for row, ids in enumerate(token_ids):
        longest = max(longest, len(ids))
        if batch and (len(batch) >= max_rollouts or (len(batch) + 1) * longest > max_tokens):
            yield batch
            batch, longest = [], len(ids)
        batch.append(row)
    if batch:
        yield batch


def run(checkpoint: Checkpoint, command: dict[str, Any]) -> dict[str, Any]:
    """Tokenise all, then score them in batches: sorted by length, longest first, or as they come.

    With ``every`` only every so-many-th batch is run: enough to tell which size of batch is the best one.
    """
    asked = workload.rollouts(command["count"], command["shortest"], command["longest"], command["seed"])
    begun = time.perf_counter()
    encoded = checkpoint.encode([each.prompt for each in asked], [each.completion for each in asked])
    tokenising = time.perf_counter() - begun
    lengths = sorted(map(len, encoded))
    if (lengths[0], lengths[-1]) != (command["shortest"], command["longest"]):
        raise AssertionError(f"the rollouts are {lengths[0]} to {lengths[-1]} tokens")
    rows = list(range(len(asked)))
    if command["sort"]:
        rows.sort(key=lambda row: len(encoded[row]), reverse=True)
    in_order = [encoded[row] for row in rows]
    rewards: dict[str, float] = {}
    tokens = padded = 0
    used = time.process_time()
    begun = time.perf_counter()
    cut = list(batches(in_order, command["max_rollouts"], command["max_tokens"]))[:: command.get("every", 1)]
    for batch in cut:
        logits = checkpoint.logits([in_order[index] for index in batch])
        rewards.update((asked[rows[index]].id, logit) for index, logit in zip(batch, logits, strict=True))
        tokens += sum(len(in_order[index]) for index in batch)
        padded += len(batch) * max(len(in_order[index]) for index in batch)
    return {
        "seconds": time.perf_counter() - begun,
        "model_cpu_seconds": time.process_time() - used,
        "tokenising_seconds": tokenising,
        "rewards": rewards,
        "asked": len(asked),
        "tokens": tokens,
        "batch_size": len(rewards) / len(cut),
        "padding_share": 1 - tokens / padded,
    }


def main() -> None:
    keep_freed_memory()  # as the service does: the limit shall be one
    folder = Path(sys.argv[1])
    checkpoint = Checkpoint(folder, folder.name, torch.device("cpu"), torch.float32)
    serve_commands(lambda command: run(checkpoint, command))


if __name__ == "__main__":
    main()
