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
import itertools
import time
from collections.abc import Mapping, Sequence

import structlog
from pydantic import JsonValue

from shared.admission import Admission, OnScore, Work
from shared.batch_selection import BatchLimits, nearest_in_length
from shared.errors import Overloaded, ScoringFailed, ShuttingDown, TextTooLong, ZhufuError
from shared.metrics import ServiceMetrics
from shared.outcomes import expired, failed, scores_of
from shared.schemas import Rollout, Usage
from shared.scorer import Scorer
from shared.tasks import end_tasks

log = structlog.get_logger(__name__)

FORMING_WINDOW = 1024
"""How many of the oldest pending rollouts are looked at when a batch is formed; bounds the work for each batch."""


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
        on_score: OnScore | None = None,
    ) -> Admission:
        """Take all the rollouts, or none.

        Args:
            rollouts: What to score.
            options: The options they all share; already checked by the scorer.
            expires_at: On the clock of `time.monotonic`; what has not begun by then is expired, not scored.
            alone: Score each in a batch of its own; for those that were in flight when a process died.
            on_score: Is told each score as it comes, maybe before this returns.

        Returns:
            Where their scores come to be. Drop it, or parts of it, and they are not scored.

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
        admission = Admission(self._pending, options, expires_at=expires_at, alone=alone, on_score=on_score)
        admission.take(
            [
                Work(rollout=rollout, cost=1, admission=admission, place=place, number=next(self._numbers))
                for place, rollout in enumerate(rollouts)
            ]
        )
        for work in admission.works:
            try:
                work.cost = max(1, self._scorer.cost(work.rollout))
            except TextTooLong as error:
                self._resolve_failed(work, error.code, error.detail, retryable=False)
            except Exception as error:  # noqa: BLE001 - as when scoring: it fails this rollout and none beside it
                self._resolve_raised(work, error)
            else:
                self._pending[work.number] = work
        self._wake.set()
        return admission

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
            self._begin(self._form())

    def _begin(self, batch: Sequence[Work]) -> None:
        """Score a batch beside the loop, which must not hold on to it while it waits for the next."""
        if batch:
            self._in_flight += len(batch)
            task = asyncio.create_task(self._score_batch(batch), name="score-batch")
            self._running.add(task)
            task.add_done_callback(self._on_batch_end)

    def _form(self) -> Sequence[Work]:
        """Take the next batch out of pending; empty when all that were looked at had expired."""
        now = time.monotonic()
        head: Admission | None = None
        alike: list[Work] = []
        late: list[Work] = []
        for work in itertools.islice(self._pending.values(), FORMING_WINDOW):
            admission = work.admission
            if admission.expires_at <= now:
                late.append(work)
            elif head is None:
                head = admission
                alike.append(work)
            elif admission.options_key == head.options_key and not admission.alone and not head.alone:
                alike.append(work)
        for work in late:
            del self._pending[work.number]
            work.admission.resolve(work, expired(work, self._version))
        if not alike:
            return []
        batch = nearest_in_length(alike, self._limits)
        self._metrics.queue_wait_seconds.observe(*[now - work.admission.admitted_at for work in batch])
        self._metrics.batch_size.observe(len(batch))
        self._metrics.batch_tokens.observe(len(batch) * max(work.cost for work in batch))
        for work in batch:  # last: whatever raised above left them where `_on_loop_end` finds them
            self._pending.pop(work.number, None)
        return batch

    async def _score_batch(self, batch: Sequence[Work]) -> None:
        try:
            await self._score(batch)
        finally:
            self._in_flight -= len(batch)
            for work in [work for work in batch if work.open]:
                self._resolve_failed(work, "shutting_down", "scoring was cut off by a shutdown", retryable=True)

    async def _score(self, batch: Sequence[Work]) -> None:
        waiting = [work for work in batch if work.open]
        if not waiting:
            return
        try:
            async with asyncio.timeout(self._limits.score_timeout_seconds):
                outcomes = await self._scorer.score([work.rollout for work in waiting], waiting[0].admission.options)
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
            for work, score in zip(waiting, scores_of(waiting, outcomes, self._version), strict=True):
                work.admission.resolve(work, score)

    async def _after_crash(self, batch: list[Work], error: Exception) -> None:
        """Score the halves of a batch that raised, down to the rollout that is to blame."""
        if len(batch) > 1:
            log.warning("batch_raised_splitting", size=len(batch), error_type=type(error).__name__)
            middle = len(batch) // 2
            await self._score(batch[:middle])
            await self._score(batch[middle:])
            return
        self._resolve_raised(batch[0], error)

    def _resolve_raised(self, work: Work, error: Exception) -> None:
        log.error("scorer_raised", rollout_id=work.rollout.id, exc_info=error)
        if isinstance(error, ZhufuError):
            self._resolve_failed(work, error.code, error.detail, retryable=error.retryable)
        else:
            detail = "the scorer ended with an unexpected error; the log of the service has it"
            self._resolve_failed(work, "scorer_error", detail, retryable=True)

    def _resolve_failed(
        self, work: Work, code: str, detail: str, *, retryable: bool, usage: Usage | None = None
    ) -> None:
        if work.open:
            work.admission.resolve(work, failed(work, code, detail, self._version, retryable=retryable, usage=usage))

    @property
    def _version(self) -> str:
        return self._scorer.info().version

    def _fail_pending(self, code: str, detail: str) -> None:
        for work in list(self._pending.values()):
            self._resolve_failed(work, code, detail, retryable=True)
        self._pending.clear()

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
