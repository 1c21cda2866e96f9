"""What travels through the queue: an entry for a rollout, and a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, JsonValue

from shared.schemas import FiniteJson, Rollout, Score, ScoreFailure


class QueuedRollout(BaseModel):
    """The payload of one entry of the rollouts stream. Its deadline stands beside it, on the clock of Redis."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    request: str
    rollout: Rollout
    options: dict[str, FiniteJson]
    trace: str


def queued(
    request: str, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue], trace: str
) -> list[tuple[str, str]]:
    """The rollouts of one request as (rollout id, JSON of a `QueuedRollout`) pairs.

    What they share is checked and rendered once.
    """
    if not rollouts:
        return []
    first = QueuedRollout(request=request, rollout=rollouts[0], options=dict(options), trace=trace)
    head = first.model_dump_json(include={"request"})[:-1]
    tail = first.model_dump_json(include={"options", "trace"})[1:]
    return [(each.id, f'{head},"rollout":{each.model_dump_json()},{tail}') for each in rollouts]


class QueuedResults(BaseModel):
    """The payload of one entry of a results stream: what was saved for its request in one step."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    scores: list[Score]


class DeadLetter(BaseModel):
    """A rollout that was given up: what it was, why, and after how many tries."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    entry: str
    data: str
    error: ScoreFailure
    attempts: int
    version: str
