"""Scores as a service might answer them."""

from __future__ import annotations

from collections.abc import Sequence

from shared.schemas import Score, ScoreFailure


def scored(name: str, reward: float | None, *, flags: Sequence[str] = (), code: str = "llm_timeout") -> Score:
    return Score(
        id=name,
        status="failed" if reward is None else "scored",
        reward=reward,
        flags=list(flags),
        error=ScoreFailure(code=code, detail="no answer", retryable=True) if reward is None else None,
        version="judge@test",
        latency_seconds=0.1,
    )
