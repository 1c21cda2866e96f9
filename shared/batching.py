"""The bounded micro-batcher: the one way from both doors to the scorer.

Stages: admit → bounded pending → form batch → score → resolve. Each stage has one owner, this object. Requests are
admitted whole or not at all. A batch is formed around the oldest pending rollout, so nothing starves, and filled with
those nearest to it in length, as long as the padded size and the share of padding stay within their limits: on a CPU,
mixed lengths padded together are slower than no batching at all. There is no timer: while the scorer is idle a rollout
starts at once, and while it is busy the next batch grows by itself. (The queue of text-embeddings-inference,
core/src/queue.rs, is the model that was studied.)

Every admitted rollout is resolved exactly once with a `Score`, also on crash, time-out and shutdown.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import structlog
from pydantic import JsonValue, TypeAdapter, ValidationError

from shared.errors import Overloaded, ScoringFailed, ShuttingDown, TextTooLong, ZhufuError
from shared.metrics import ServiceMetrics
from shared.schemas import FiniteJson, Rollout, Score, ScoreFailure, Text, Usage
from shared.scorer import Outcome, Scorer
from shared.tasks import end_tasks

log = structlog.get_logger(__name__)

_DETAILS: TypeAdapter[dict[Text, FiniteJson]] = TypeAdapter(dict[Text, FiniteJson])
FORMING_WINDOW = 1024
"""How many of the oldest pending rollouts are looked at when a batch is formed; bounds the work for each batch."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What one batch, and all that waits for one, may be at most."""

    max_pending: int
    max_batch_rollouts: int
    max_batch_tokens: int
    max_padding_share: float = 0.15
    max_concurrent_batches: int = 1
    score_timeout_seconds: float = 120.0


@dataclasses.dataclass(slots=True, eq=False, kw_only=True)
class Work:
    """One admitted rollout on its way to a score."""

    rollout: Rollout
    options: Mapping[str, JsonValue]
    options_key: str
    cost: int
    alone: bool
    admitted_at: float
    expires_at: float
    score: asyncio.Future[Score]


class MicroBatcher:
    """Feeds one scorer from any number of callers, from `start` to `drain`. Not thread-safe: one event loop owns it."""

    def __init__(self, scorer: Scorer, limits: BatchLimits, metrics: ServiceMetrics) -> None:
        self._scorer = scorer
        self._limits = limits
        self._metrics = metrics
        self._pending: dict[int, Work] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._slot_free = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._draining = False
        self._in_flight = 0

    @property
    def unresolved(self) -> int:
        """How many rollouts are pending or being scored."""
        return len(self._pending) + self._in_flight

    @property
    def room(self) -> int:
        """How many more rollouts would be admitted now."""
        return max(0, self._limits.max_pending - len(self._pending))

    @property
    def alive(self) -> bool:
        """Whether the loop that forms batches runs."""
        return self._loop_task is not None and not self._loop_task.done()

    def start(self) -> None:
        """Begin forming batches."""
        self._loop_task = asyncio.create_task(self._run(), name="micro-batcher")
        self._loop_task.add_done_callback(self._on_loop_end)

    def admit(
        self,
        rollouts: Sequence[Rollout],
        options: Mapping[str, JsonValue],
        *,
        expires_at: float,
        alone: bool = False,
    ) -> list[asyncio.Future[Score]]:
        """Take all the rollouts, or none.

        Args:
            rollouts: What to score.
            options: The options they all share; already checked by the scorer.
            expires_at: On the clock of `time.monotonic`; what has not begun by then is expired, not scored.
            alone: Score each in a batch of its own; for those that were in flight when a process died.

        Returns:
            One future each, in order, of its score. Cancel a future to drop its rollout.

        Raises:
            Overloaded: There is no room for all of them.
            ShuttingDown: The batcher is draining, or its loop has ended.
        """
        if self._draining or not self.alive:
            raise ShuttingDown("this replica is shutting down")
        if len(rollouts) > self.room:
            raise Overloaded(
                f"{len(rollouts)} rollouts do not fit: {self.room} of {self._limits.max_pending} places are free"
            )
        now = time.monotonic()
        loop = asyncio.get_running_loop()
        options_key = json.dumps(options, sort_keys=True) if options else ""
        futures: list[asyncio.Future[Score]] = []
        for rollout in rollouts:
            work = Work(
                rollout=rollout,
                options=options,
                options_key=options_key,
                cost=1,
                alone=alone,
                admitted_at=now,
                expires_at=expires_at,
                score=loop.create_future(),
            )
            futures.append(work.score)
            try:
                work.cost = max(1, self._scorer.cost(rollout))
            except TextTooLong as error:
                self._resolve_failed(work, error.code, error.detail, retryable=False)
            except Exception as error:  # noqa: BLE001 - as when scoring: it fails this rollout and none beside it
                self._resolve_raised(work, error)
            else:
                number = next(self._numbers)
                self._pending[number] = work
                work.score.add_done_callback(functools.partial(self._on_resolved, number))
        self._wake.set()
        return futures

    async def drain(self, timeout_seconds: float) -> None:
        """Take nothing new, finish what was admitted, and stop.

        What is not done within the time gets a failed score (``shutting_down``, retryable); no caller is left waiting.
        """
        self._draining = True
        deadline = time.monotonic() + timeout_seconds
        while (self._pending or self._running) and self.alive and (left := deadline - time.monotonic()) > 0:
            self._slot_free.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, 0.1)):
                    await self._slot_free.wait()
        if self._loop_task is not None:
            await end_tasks([self._loop_task])
        await end_tasks(self._running)
        self._fail_pending("shutting_down", "this replica shut down before the rollout was scored")

    async def _run(self) -> None:
        while True:
            while not self._pending:
                self._wake.clear()
                await self._wake.wait()
            while len(self._running) >= self._limits.max_concurrent_batches:
                self._slot_free.clear()
                await self._slot_free.wait()
            batch = self._form()
            if batch:
                self._in_flight += len(batch)
                task = asyncio.create_task(self._score_batch(batch), name="score-batch")
                self._running.add(task)
                task.add_done_callback(self._on_batch_end)

    def _form(self) -> list[Work]:
        """Take the next batch out of pending; empty when all that were looked at had expired or were dropped."""
        now = time.monotonic()
        window: list[tuple[int, Work]] = []
        for number, work in list(itertools.islice(self._pending.items(), FORMING_WINDOW)):
            if work.score.done():
                del self._pending[number]
            elif work.expires_at <= now:
                del self._pending[number]
                self._resolve_expired(work)
            else:
                window.append((number, work))
        if not window:
            return []
        head = window[0][1]
        if head.alone:
            chosen = window[:1]
        else:
            alike = [entry for entry in window if entry[1].options_key == head.options_key and not entry[1].alone]
            chosen = nearest_in_length(alike, self._limits)
        batch = [work for _, work in chosen]
        for work in batch:
            self._metrics.queue_wait_seconds.observe(now - work.admitted_at)
        self._metrics.batch_size.observe(len(batch))
        self._metrics.batch_tokens.observe(len(batch) * max(work.cost for work in batch))
        for number, _ in chosen:  # last: whatever raised above left them where `_on_loop_end` finds them
            del self._pending[number]
        return batch

    async def _score_batch(self, batch: list[Work]) -> None:
        try:
            await self._score(batch)
        finally:
            self._in_flight -= len(batch)
            for work in batch:
                self._resolve_failed(work, "shutting_down", "scoring was cut off by a shutdown", retryable=True)

    async def _score(self, batch: list[Work]) -> None:
        waiting = [work for work in batch if not work.score.done()]
        if not waiting:
            return
        try:
            async with asyncio.timeout(self._limits.score_timeout_seconds):
                outcomes = await self._scorer.score([work.rollout for work in waiting], waiting[0].options)
            if len(outcomes) != len(waiting):
                raise RuntimeError(f"the scorer answered {len(outcomes)} outcomes for {len(waiting)} rollouts")
        except TimeoutError:
            detail = f"the scorer did not answer within {self._limits.score_timeout_seconds:g} s"
            for work in waiting:
                self._resolve_failed(work, "scorer_timeout", detail, retryable=True)
        except ScoringFailed as error:
            for number, work in enumerate(waiting):  # what the batch cost is told once, not for each rollout in it
                usage = error.usage if number == 0 else None
                self._resolve_failed(work, error.failure_code, error.detail, retryable=error.may_retry, usage=usage)
        except Exception as error:  # noqa: BLE001 - whatever a scorer raises becomes a typed failure
            await self._after_crash(waiting, error)
        else:
            for work, outcome in zip(waiting, outcomes, strict=True):
                self._resolve(work, outcome)

    async def _after_crash(self, batch: list[Work], error: Exception) -> None:
        """Score the halves of a batch that raised, down to the rollout that is to blame."""
        if len(batch) > 1:
            log.warning("batch_raised_splitting", size=len(batch), error_type=type(error).__name__)
            middle = len(batch) // 2
            await self._score(batch[:middle])
            await self._score(batch[middle:])
            return
        self._resolve_raised(batch[0], error)

    def _resolve(self, work: Work, outcome: Outcome) -> None:
        if isinstance(outcome, ScoringFailed):
            self._resolve_scoring_failed(work, outcome)
            return
        try:
            values = (outcome.reward, *outcome.components.values())
            if not all(map(math.isfinite, values)):
                detail = "the scorer computed a reward or component that is not a finite number"
                self._resolve_failed(work, "non_finite_reward", detail, retryable=False)
                return
            score = Score(
                id=work.rollout.id,
                status="scored",
                reward=outcome.reward,
                verdict=outcome.verdict,
                components=dict(outcome.components),
                reason=outcome.reason,
                flags=list(outcome.flags),
                cached=outcome.cached,
                version=outcome.version or self._scorer.info().version,
                usage=outcome.usage,
                details=None if outcome.details is None else dict(outcome.details),
                latency_seconds=time.monotonic() - work.admitted_at,
            )
        except Exception as error:  # a verdict of 2, a reward of None: it fails this rollout only
            log.error("invalid_outcome", rollout_id=work.rollout.id, exc_info=error)
            detail = "the scorer's outcome is not what the contract allows; the log of the service has it"
            self._resolve_failed(work, "invalid_outcome", detail, retryable=False)
        else:
            self._set(work, score)

    def _resolve_scoring_failed(self, work: Work, failed: ScoringFailed) -> None:
        try:
            details = None if failed.details is None else dict(_DETAILS.validate_python(failed.details))
        except ValidationError as error:
            log.error("invalid_details", rollout_id=work.rollout.id, exc_info=error)
            details = None  # why it failed counts for more than what was found out before
        self._resolve_failed(
            work, failed.failure_code, failed.detail, retryable=failed.may_retry, usage=failed.usage, details=details
        )

    def _resolve_raised(self, work: Work, error: Exception) -> None:
        log.error("scorer_raised", rollout_id=work.rollout.id, exc_info=error)
        if isinstance(error, ZhufuError):
            self._resolve_failed(work, error.code, error.detail, retryable=error.retryable)
        else:
            detail = "the scorer ended with an unexpected error; the log of the service has it"
            self._resolve_failed(work, "scorer_error", detail, retryable=True)

    def _resolve_expired(self, work: Work) -> None:
        failure = ScoreFailure(
            code="deadline_expired", detail="the deadline passed before scoring began", retryable=True
        )
        self._resolve_without_reward(work, "expired", failure)

    def _resolve_failed(
        self,
        work: Work,
        code: str,
        detail: str,
        *,
        retryable: bool,
        usage: Usage | None = None,
        details: dict[str, JsonValue] | None = None,
    ) -> None:
        # The detail may quote what a model wrote; a failure that cannot be told would leave callers waiting.
        code, detail = (text.encode(errors="replace").decode() for text in (code, detail))
        failure = ScoreFailure(code=code, detail=detail, retryable=retryable)
        self._resolve_without_reward(work, "failed", failure, usage, details)

    def _resolve_without_reward(
        self,
        work: Work,
        status: Literal["failed", "expired"],
        failure: ScoreFailure,
        usage: Usage | None = None,
        details: dict[str, JsonValue] | None = None,
    ) -> None:
        if work.score.done():
            return
        score = Score(
            id=work.rollout.id,
            status=status,
            reward=None,
            error=failure,
            version=self._scorer.info().version,
            usage=usage,
            details=details,
            latency_seconds=time.monotonic() - work.admitted_at,
        )
        self._set(work, score)

    def _set(self, work: Work, score: Score) -> None:
        if not work.score.done():
            work.score.set_result(score)

    def _fail_pending(self, code: str, detail: str) -> None:
        for work in self._pending.values():
            self._resolve_failed(work, code, detail, retryable=True)
        self._pending.clear()

    def _on_resolved(self, number: int, _: asyncio.Future[Score]) -> None:
        """A rollout that was dropped gives its place free at once, not only when its turn would have come."""
        self._pending.pop(number, None)

    def _on_batch_end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slot_free.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("batch_task_failed", exc_info=error)

    def _on_loop_end(self, task: asyncio.Task[None]) -> None:
        """No caller may hang because the loop died: resolve all that waits, and let readiness fail."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("batcher_loop_died", exc_info=error)
            self._fail_pending("batcher_died", "the batcher ended with an unexpected error; the log has it")


def nearest_in_length(window: Sequence[tuple[int, Work]], limits: BatchLimits) -> list[tuple[int, Work]]:
    """Choose a batch around the oldest rollout, ``window[0]``, by nearness in cost.

    The batch grows from it to both sides of the order by cost, the nearer side first, while the padded size
    (count x longest) stays within ``max_batch_tokens``, the padding within ``max_padding_share`` of that, and the
    count within ``max_batch_rollouts``. The oldest is always in it, so that every rollout's turn comes.
    """
    ordered = sorted(window, key=lambda entry: entry[1].cost)
    head = next(index for index, entry in enumerate(ordered) if entry[0] == window[0][0])
    low = high = head
    total = ordered[head][1].cost

    def fits(candidate: int, longest: int) -> bool:
        padded = (high - low + 2) * longest
        return padded <= limits.max_batch_tokens and padded - total - candidate <= limits.max_padding_share * padded

    while high - low + 1 < limits.max_batch_rollouts:
        longest, shortest = ordered[high][1].cost, ordered[low][1].cost
        below = ordered[low - 1][1].cost if low > 0 else None
        above = ordered[high + 1][1].cost if high + 1 < len(ordered) else None
        can_below = below is not None and fits(below, longest)
        can_above = above is not None and fits(above, above)
        if above is not None and can_above and (below is None or not can_below or above - longest <= shortest - below):
            high += 1
            total += above
        elif below is not None and can_below:
            low -= 1
            total += below
        else:
            break
    return ordered[low : high + 1]


def drop(futures: Iterable[asyncio.Future[Score]]) -> None:
    """Drop what nobody waits for any more: cancel every future that is not resolved yet."""
    for future in futures:
        future.cancel()
