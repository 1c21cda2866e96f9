"""Asking for a sample of every prompt, a bounded number at once, until all are done or something says stop."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from shared.client import RewardClient
from shared.errors import PayloadTooLarge, RewardProtocolError, RewardRejected, RewardUnavailable, ZhufuError
from shared.schemas import Rollout, ScoreFailure
from shared.tasks import end_tasks
from trainer.sampling.budget import TokenBudget
from trainer.sampling.journal import Journal
from trainer.sampling.outcome import Outcome, outcome_of
from trainer.sampling.pace import Pace
from trainer.sampling.prompts import Prompt
from trainer.sampling.request import SampleRequest


class Ending(StrEnum):
    """Why a run asked no more."""

    COMPLETE = "complete"
    CEILING = "ceiling"
    FAILURES = "failures"
    INTERRUPTED = "interrupted"
    ERROR = "error"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run keeps within.

    Fewer than ``concurrency`` are under way where the service is slow; ``timeout_seconds`` is for one prompt, outages
    and waiting included.
    """

    concurrency: int
    timeout_seconds: float
    max_tokens: int | None
    max_failures_in_a_row: int


class Watcher(Protocol):
    """Is told of each prompt that has ended, once it is saved."""

    def on_outcome(self, outcome: Outcome) -> None:
        """One prompt has ended."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """How a prompt ended; ``fatal`` where it would end so for every other prompt, too."""

    index: int
    outcome: Outcome | None
    fatal: ZhufuError | None = None
    seconds: float = 0.0


class Sampler:
    """Asks for the prompts that a journal has no final outcome of: new ones first, then those that failed."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        request: SampleRequest,
        client: RewardClient,
        journal: Journal,
        limits: Limits,
        watcher: Watcher,
        *,
        through_queue: bool,
        retry_failed: bool,
    ) -> None:
        self._prompts = prompts
        self._options = request.options()
        self._client = client
        self._journal = journal
        self._limits = limits
        self._watcher = watcher
        self._through_queue = through_queue
        new = [index for index in range(len(prompts)) if index not in journal.entries]
        failed = [index for index in range(len(prompts)) if retry_failed and _may_be_mended(journal, index)]
        self._waiting = collections.deque([*new, *failed])
        paid = journal.paid.prompt_tokens + journal.paid.completion_tokens
        self._budget = TokenBudget(ceiling=limits.max_tokens, paid=paid, paying=journal.paying)
        self._pace = Pace(most=limits.concurrency, timeout_seconds=limits.timeout_seconds)
        self._failures_in_a_row = 0
        self._stopping = False
        self._under_way: dict[asyncio.Task[_Answer], int] = {}

    @property
    def under_way(self) -> int:
        """How many prompts are asked and not answered."""
        return len(self._under_way)

    @property
    def stopping(self) -> bool:
        """Whether somebody said stop."""
        return self._stopping

    def stop(self) -> None:
        """Begin no more; said a second time, do not even wait for those under way."""
        if self._stopping:
            for task in self._under_way:
                task.cancel()
        self._stopping = True

    async def run(self) -> Ending:
        """Ask until nothing is left or allowed; what was begun is waited for and saved.

        Raises:
            RewardRejected, RewardProtocolError: The service refuses, or is not what was thought; nobody is waited for.
            JournalBroken: The disk is full, for example.
        """
        try:
            while self._begin_some():
                done, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                self._save(done)
        finally:
            await end_tasks(self._under_way)
        if not self._waiting:
            return Ending.COMPLETE
        if self._stopping:
            return Ending.INTERRUPTED
        return Ending.FAILURES if self._has_failed_too_often else Ending.CEILING

    @property
    def _has_failed_too_often(self) -> bool:
        return self._failures_in_a_row >= self._limits.max_failures_in_a_row

    def _begin_some(self) -> bool:
        """Ask for what may be asked for now; returns whether anything is under way."""
        while (
            self._waiting
            and not self._stopping
            and not self._has_failed_too_often
            and self._pace.allows(len(self._under_way))
            and self._budget.allows(len(self._under_way))
        ):
            index = self._waiting.popleft()
            self._under_way[asyncio.create_task(self._ask(index))] = index
        return bool(self._under_way)

    def _save(self, done: set[asyncio.Task[_Answer]]) -> None:
        under_way = len(self._under_way)
        indexes = {task: self._under_way.pop(task) for task in done}
        left = sorted((index for task, index in indexes.items() if task.cancelled()), reverse=True)
        self._waiting.extendleft(left)  # begun, but not waited for
        answers = sorted((task.result() for task in done if not task.cancelled()), key=lambda answer: answer.index)
        ended = [(answer.index, answer.outcome) for answer in answers if answer.outcome is not None]
        if ended:
            self._journal.append((index, self._prompts[index].id, outcome) for index, outcome in ended)
        for answer in answers:
            if answer.outcome is not None and not answer.outcome.came_from_cache:
                self._pace.heard(under_way=under_way, seconds=answer.seconds)
        for _, outcome in ended:
            self._budget.pay(outcome.tokens)
            may_be_mended = outcome.failure is not None and outcome.failure.retryable
            self._failures_in_a_row = self._failures_in_a_row + 1 if may_be_mended else 0
            self._watcher.on_outcome(outcome)
        for answer in answers:
            if answer.fatal is not None:
                raise answer.fatal

    async def _ask(self, index: int) -> _Answer:
        begun = time.monotonic()
        answer = await self._answer(index)
        return dataclasses.replace(answer, seconds=time.monotonic() - begun)

    async def _answer(self, index: int) -> _Answer:
        prompt = self._prompts[index]
        rollout = Rollout(id=prompt.id, prompt=prompt.text, completion="")
        try:
            (score,) = await self._client.score([rollout], self._options)
        except RewardUnavailable as error:
            return _Answer(index, _failed(error, retryable=True))
        except RewardRejected as error:
            if error.http_status == PayloadTooLarge.status:  # this prompt's own fault
                return _Answer(index, _failed(error, retryable=False))
            return _Answer(index, None, error)
        except ZhufuError as error:
            return _Answer(index, None, error)
        try:
            outcome = outcome_of(score, through_queue=self._through_queue)
        except RewardRejected as error:  # as by HTTP, where a refusal has no score: nothing was done
            return _Answer(index, None, error)
        except RewardProtocolError as error:
            paid = _failed(error, retryable=True).model_copy(update={"usage": score.usage, "version": score.version})
            return _Answer(index, paid, error)
        if self._limits.max_tokens is not None and outcome.failure is None and outcome.usage is None:
            detail = f"{score.version} does not say what a sample cost: a ceiling on tokens cannot be kept"
            return _Answer(index, outcome, RewardProtocolError(detail))
        return _Answer(index, outcome)


def _may_be_mended(journal: Journal, index: int) -> bool:
    entry = journal.entries.get(index)
    return entry is not None and entry.failure is not None and entry.failure.retryable


def _failed(error: ZhufuError, *, retryable: bool) -> Outcome:
    return Outcome(failure=ScoreFailure(code=error.code, detail=error.detail, retryable=retryable))
