"""The parts of ``python -m benchmarks``, in the order of docs/benchmarks.md."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Coroutine
from typing import Any, cast

from benchmarks.context import Context
from benchmarks.tables import Section

Run = Callable[[Context], Coroutine[Any, Any, Section]]
"""Measures one part; raises `benchmarks.processes.BenchmarkFailed` where there is no figure to report."""

PARTS = {
    "queue": "benchmarks.bench_queue:run",
    "queue-single": "benchmarks.bench_queue_single:run",
    "queue-peers": "benchmarks.bench_queue_peers:run",
    "http": "benchmarks.bench_http:run",
    "growth": "benchmarks.bench_growth:run",
    "memory": "benchmarks.process_memory:run",
    "reward-model-small": "benchmarks.bench_reward_model:run_small",
    "reward-model-base": "benchmarks.bench_reward_model:run_base",
    "judge": "benchmarks.bench_judge:run",
    "training": "benchmarks.bench_training:run",
}
"""Where the `Run` of each part is; it is imported only when it is run, as some need seconds for that."""


def run_of(name: str) -> Run:
    """The function of a part."""
    return cast("Run", pkgutil.resolve_name(PARTS[name]))
