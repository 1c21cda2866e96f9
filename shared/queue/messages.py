"""What travels through the queue: an entry for a rollout, and a result."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from shared.schemas import FiniteJson, Rollout, Score, ScoreFailure


class QueuedRollout(BaseModel):
    """The payload of one entry of the rollouts stream. Its deadline stands beside it, on the clock of Redis."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    request: str
    rollout: Rollout
    options: dict[str, FiniteJson]
    trace: str


class QueuedResult(BaseModel):
    """The payload of one entry of a results stream."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    score: Score


class DeadLetter(BaseModel):
    """A rollout that was given up: what it was, why, and after how many tries."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    entry: str
    data: str
    error: ScoreFailure
    attempts: int
    version: str
