"""An evaluation with somebody looking on: its steps are told as they are done, and it ends when nobody looks any more.

A watched rollout goes the way of all rollouts, through the batcher to the scorer, and has the same limits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Literal, Self

from pydantic import Field, PrivateAttr

from services.multi_agent.evaluation import Step
from shared.schemas import Contract, FiniteJson, Rollout, Text

State = Literal["asked", "answered", "failed"]


class StepTokens(Contract):
    """What a step cost when it was asked for, be that now or before."""

    prompt: int
    completion: int


class StepEvent(Contract):
    """One step of an evaluation as it is now; the last one told of a step and round is what the transcript holds."""

    state: State
    step: Text = Field(description="retrieval, positive, negative, judge or reflect.")
    round: int = Field(ge=0, description="Counted from 1; 0 for retrieval.")
    answer: FiniteJson = Field(default=None, description="Of the agent, as it was given; the hits of retrieval.")
    error: Text | None = Field(default=None, description="Code of the failure, where there is no answer.")
    note: Text | None = Field(default=None, description="What the pipeline made of it.")
    tokens: StepTokens | None = None

    @classmethod
    def of(cls, step: Step) -> Self:
        """A step as it is now."""
        told = step.to_json()
        state: State = "failed" if step.error is not None else "asked" if step.answer is None else "answered"
        return cls.model_validate({"state": state, **{name: told[name] for name in cls._told() if name in told}})

    @classmethod
    def _told(cls) -> set[str]:
        return cls.model_fields.keys() - {"state"}


class Watch:
    """Between an evaluation, which tells its steps, and the one who reads them.

    What is held is bounded by what an evaluation has of steps, and they are few.
    """

    def __init__(self) -> None:
        self._events: asyncio.Queue[StepEvent | None] = asyncio.Queue()
        self._limit: asyncio.Timeout | None = None
        self._left = False

    def tell(self, step: Step) -> None:
        """Told by the evaluation; see `services.multi_agent.evaluation.Record`."""
        self._events.put_nowait(StepEvent.of(step))

    def end(self) -> None:
        """Nothing more will be told."""
        self._events.put_nowait(None)

    def leave(self) -> None:
        """Nobody reads any more: the evaluation ends as if its time were up."""
        self._left = True
        self._cut()

    @contextlib.contextmanager
    def within(self, limit: asyncio.Timeout) -> Iterator[None]:
        """While the evaluation has this time limit."""
        self._limit = limit
        self._cut()
        try:
            yield
        finally:
            self._limit = None

    async def events(self, heartbeat_seconds: float) -> AsyncIterator[StepEvent | None]:
        """Each event as it comes, until the end; None after every silence of ``heartbeat_seconds``."""
        while True:
            try:
                async with asyncio.timeout(heartbeat_seconds):
                    event = await self._events.get()
            except TimeoutError:
                yield None
                continue
            if event is None:
                return
            yield event

    def _cut(self) -> None:
        if self._left and self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())


class WatchedRollout(Rollout):
    """A rollout that knows its watch. The contract knows nothing of it: what is sent on is a rollout like others."""

    _watch: Watch = PrivateAttr(default_factory=Watch)

    @property
    def watch(self) -> Watch:
        """Who looks on."""
        return self._watch
