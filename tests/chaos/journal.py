"""What the requester asked for and what it was told, line by line in a file that outlives it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.schemas import Score, Status


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    process: int


class Submitted(_Line):
    """One call of `RewardClient.score` begins."""

    event: Literal["submitted"] = "submitted"
    ids: list[str]


class Unavailable(_Line):
    """A call ended without outcomes, and is made again."""

    event: Literal["unavailable"] = "unavailable"
    ids: list[str]
    why: str


class Outcome(BaseModel):
    """What became of one rollout, for good."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: str
    status: Status
    reward: float | None
    code: str | None

    @classmethod
    def of(cls, score: Score) -> Self:
        return cls(
            id=score.id, status=score.status, reward=score.reward, code=score.error.code if score.error else None
        )


class Received(_Line):
    """A call ended with an outcome for each of its rollouts."""

    event: Literal["received"] = "received"
    outcomes: list[Outcome]


Line = Submitted | Unavailable | Received
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="event")])


class Journal:
    """A journal that one process at a time writes.

    A process may be killed in the middle of a line: what has no end was not written, for readers and for the next
    writer alike.
    """

    def __init__(self, path: Path) -> None:
        whole = path.read_bytes() if path.exists() else b""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.ftruncate(self._descriptor, whole.rfind(b"\n") + 1)

    def write(self, line: Line) -> None:
        """Append one line; it is with the kernel when this returns, and so outlives a kill -9."""
        data = line.model_dump_json().encode() + b"\n"
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        os.close(self._descriptor)


def lines_of(path: Path) -> Iterator[Line]:
    """All whole lines so far."""
    data = path.read_bytes() if path.exists() else b""
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        yield _LINE.validate_json(line)


def outcomes_of(path: Path) -> Sequence[Outcome]:
    """All outcomes so far, in order; one that was received twice stands here twice."""
    return [outcome for line in lines_of(path) if isinstance(line, Received) for outcome in line.outcomes]
