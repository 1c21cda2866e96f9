"""The queue door of a service: reads rollouts from Redis, feeds them to the batcher, saves their results.

Five loops, each the only owner of its part:

- *read* takes new entries, but only as many as the batcher has room for: a full service does not read.
- *take over* claims entries whose process fell silent, also where the batcher is full: it has room of its own, so that
  they do not wait behind a long queue. A rollout that was in flight when a process died is tried again;
  its last try runs alone, and only then does the count rise, so that a rollout that kills processes ends in the dead
  letters while those that shared its batch do not.
- *complete* saves results (`shared.queue.outbox`); while Redis is away it keeps them.
- *renew* keeps the leases of all that is in work.
- *report* publishes what the reward is, and the length and age of the queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import structlog
from pydantic import ValidationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from shared.admission import Admission
from shared.batching import MicroBatcher
from shared.errors import InvalidRequest, Overloaded, ShuttingDown
from shared.metrics import ServiceMetrics
from shared.queue.broker import RESULT_MARGIN_MS, Broker, Completion, Entry
from shared.queue.messages import DeadLetter, QueuedRollout
from shared.queue.outbox import Outbox
from shared.schemas import RewardInfo, Score, ScoreFailure, Usage
from shared.scorer import Scorer
from shared.tasks import end_tasks

log = structlog.get_logger(__name__)

RECONNECT_WAIT_SECONDS = 0.25
MAX_RECONNECT_WAIT_SECONDS = 5.0
REPORT_INTERVAL_SECONDS = 5.0
INFO_TTL_SECONDS = 30
IDLE_CONSUMER_MS = 3_600_000
MAX_RETRY_WAIT_SECONDS = 30.0
FULL_WAIT_SECONDS = 0.05
"""Shortest wait before what did not fit into the batcher is offered to it again."""
JUST_ADDED_MS = 20
"""So young an entry is scored without asking whether its requester still waits: the question takes a round trip. Where
somebody left in just this moment, the score goes unread, as one does whose requester left while it was made."""
TAKE_OVER_INTERVAL_SECONDS = 1.0
"""Longest wait between looks for what others left; so soon is handed on what a process gives back at its end."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How much one process takes from the queue, and how often it tries."""

    max_in_work: int
    max_attempts: int
    lease_seconds: float
    retry_wait_seconds: float


@dataclasses.dataclass(slots=True, eq=False, kw_only=True)
class InWork:
    """An entry that this process holds a lease on."""

    entry: Entry
    message: QueuedRollout
    read_at: float
    expires_at: float
    attempt: int = 1
    alone: bool = False
    admission: Admission | None = None
    place: int = 0
    spent: Usage | None = None
    """What earlier tries in this process cost."""


class QueueDoor:
    """Connects one reward's queue to one batcher."""

    def __init__(
        self, broker: Broker, batcher: MicroBatcher, scorer: Scorer, limits: QueueLimits, metrics: ServiceMetrics
    ) -> None:
        self._broker = broker
        self._batcher = batcher
        self._scorer = scorer
        self._limits = limits
        self._metrics = metrics
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._in_work: dict[str, InWork] = {}
        self._room = asyncio.Event()
        # Both are bounded by what is in work: less than three times `max_in_work`, as the two loops that take
        # entries may overlap. Only unreadable entries are finished without having been in work.
        self._outbox = Outbox(broker, metrics)
        self._last_tries: asyncio.Queue[InWork] = asyncio.Queue()
        self._last_tries_open = 0
        self._take_over_from = time.monotonic()
        self._stopping = asyncio.Event()
        self._readers: list[asyncio.Task[None]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._retries: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> bool:
        """Whether all loops run."""
        tasks = [*self._readers, *self._keepers]
        return bool(tasks) and not any(task.done() for task in tasks)

    def start(self) -> None:
        """Start all loops; Redis may come later."""
        self._readers = [
            asyncio.create_task(self._steadily("read", self._read)),
            asyncio.create_task(self._steadily("take_over", self._take_over)),
            asyncio.create_task(self._steadily("last_try", self._last_try)),
        ]
        self._keepers = [
            asyncio.create_task(self._steadily("complete", self._complete)),
            asyncio.create_task(self._steadily("renew", self._renew)),
            asyncio.create_task(self._steadily("report", self._report)),
        ]
        for task in [*self._readers, *self._keepers]:
            task.add_done_callback(_log_death)

    async def stop_reading(self) -> None:
        """Take nothing new. What is in work goes on."""
        self._stopping.set()
        await end_tasks([*self._readers, *self._retries])

    async def close(self, timeout_seconds: float) -> None:
        """Save the results that are there and hand all else to other processes. Call after the batcher drained."""
        deadline = time.monotonic() + timeout_seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._outbox.empty()
        await end_tasks(self._keepers)
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            idle_ms = round(self._limits.lease_seconds * 1000)
            async with asyncio.timeout(max(1.0, deadline - time.monotonic())):
                await self._broker.release(self._consumer, idle_ms)
        await self._broker.aclose()

    async def _steadily(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Run one step again and again; wait and go on when Redis is away."""
        wait = RECONNECT_WAIT_SECONDS
        while True:
            try:
                await step()
                wait = RECONNECT_WAIT_SECONDS
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    log.error("queue_refused", loop=name, error=str(error), wait_seconds=wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, MAX_RECONNECT_WAIT_SECONDS)
                with contextlib.suppress(RedisError, OSError):
                    await self._broker.ensure_group()
            except (RedisError, OSError) as error:
                log.warning("queue_unavailable", loop=name, error_type=type(error).__name__, wait_seconds=wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, MAX_RECONNECT_WAIT_SECONDS)

    # Reading

    async def _read(self) -> None:
        free = min(self._limits.max_in_work - len(self._in_work), self._batcher.room)
        if free <= 0 or self._last_tries_open:
            await self._until_room()
            return
        entries = await self._broker.read(self._consumer, free)
        if entries:
            await self._accept(entries, taken_over=False)

    async def _until_room(self) -> None:
        """Wait until something in work has ended, or a moment."""
        self._room.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self._room.wait()

    async def _take_over(self) -> None:
        entries: list[Entry] = []
        free = 2 * self._limits.max_in_work - len(self._in_work)
        if free > 0 and time.monotonic() >= self._take_over_from:
            try:
                lease_ms = round(self._limits.lease_seconds * 1000)
                entries = await self._broker.take_over(self._consumer, lease_ms, free)
            except (RedisConnectionError, OSError):
                # While Redis is away nobody can renew: let all that live do so before anything is claimed again.
                self._take_over_from = time.monotonic() + self._limits.lease_seconds
                raise
        entries = [entry for entry in entries if entry.id not in self._in_work]
        if entries:
            log.warning("took_over", count=len(entries))
            self._metrics.queue_reclaimed_total.inc(len(entries))
            await self._accept(entries, taken_over=True)
        else:
            await asyncio.sleep(min(self._limits.lease_seconds / 2, TAKE_OVER_INTERVAL_SECONDS))

    async def _accept(self, entries: Sequence[Entry], *, taken_over: bool) -> None:
        now = time.monotonic()  # that of `Entry.left_ms`; the questions to Redis below take time
        readable: list[tuple[Entry, QueuedRollout]] = []
        for entry in entries:
            try:
                readable.append((entry, QueuedRollout.model_validate_json(entry.data)))
            except ValidationError:
                self._finish_unreadable(entry)
        if not readable:
            return
        forgotten = await self._broker.forgotten(
            message.request for entry, message in readable if taken_over or not 0 <= entry.age_ms < JUST_ADDED_MS
        )
        repeated = [0] * len(readable)
        if taken_over:
            repeated = await self._broker.repetitions([entry.id for entry, _ in readable])
        fresh: list[InWork] = []
        for (entry, message), repetitions in zip(readable, repeated, strict=True):
            work = InWork(
                entry=entry,
                message=message,
                read_at=now,
                expires_at=now + entry.left_ms / 1000,
                attempt=1 + repetitions,
            )
            self._in_work[entry.id] = work
            if message.request in forgotten:
                self._expire(work, "nobody waits for this rollout any more")
            elif work.expires_at <= now:
                self._expire(work, "the deadline passed before scoring began")
            elif taken_over:
                await self._try_after_crash(work)
            else:
                fresh.append(work)
        for _, alike in itertools.groupby(fresh, key=lambda work: (work.message.options, work.expires_at)):
            works = list(alike)
            fitting = self._batcher.room
            self._admit(works[:fitting])
            self._admit(works[fitting:])

    async def _try_after_crash(self, work: InWork) -> None:
        """The process that tried this rollout died: once more with others, or, where it is the last try, alone."""
        if work.attempt >= self._limits.max_attempts:
            self._give_up(
                work, _failure("attempts_exhausted", "the process that made its last try died or fell silent")
            )
        elif work.attempt + 1 == self._limits.max_attempts:
            # The try is counted when its turn comes: until then it is not to blame if this process dies as well.
            self._last_tries_open += 1
            self._last_tries.put_nowait(work)
        else:
            await self._count_try(work)
            self._admit([work])

    async def _count_try(self, work: InWork) -> None:
        """Note that a try begins. Where Redis cannot, let the lease go: no try is uncounted, and none forgotten."""
        try:
            await self._broker.count_repetition(work.entry.id)
        except (RedisError, OSError):
            self._in_work.pop(work.entry.id, None)
            raise
        work.attempt += 1

    async def _last_try(self) -> None:
        work = await self._last_tries.get()
        try:
            if work.entry.id in self._in_work:
                await self._count_try(work)
                work.alone = True
                self._admit([work])
            while work.entry.id in self._in_work:  # until its result is saved: the next one may end this process
                await self._until_room()
        finally:
            self._last_tries_open -= 1
            self._room.set()

    def _admit(self, works: Sequence[InWork]) -> None:
        """Give to the batcher what has the same options and deadline; all of it, or none."""
        if not works:
            return
        first = works[0]
        debug = log.debug  # most services do not show it, and to look it up takes longer than to do nothing
        for work in works:
            debug("rollout_read", entry=work.entry.id, request_id=work.message.trace, attempt=work.attempt)
        try:
            self._scorer.check_options(first.message.options)
            admission = self._batcher.admit(
                [work.message.rollout for work in works],
                first.message.options,
                expires_at=first.expires_at,
                alone=first.alone,
                on_score=lambda place, score: self._on_score(works[place], score),
            )
        except InvalidRequest as error:
            for work in works:
                self._give_up(work, _failure(error.code, error.detail))
        except (Overloaded, ShuttingDown):
            for work in works:
                self._try_later(work, max(self._limits.retry_wait_seconds, FULL_WAIT_SECONDS), counts=False)
        except Exception as error:  # whatever a scorer raises on options of others, this loop goes on
            log.error("check_options_raised", entry=first.entry.id, exc_info=error)
            detail = "the scorer ended with an unexpected error; the log of the service has it"
            for work in works:
                self._give_up(work, _failure("scorer_error", detail))
        else:
            for place, work in enumerate(works):
                work.admission, work.place = admission, place

    # Ending

    def _on_score(self, work: InWork, score: Score) -> None:
        if work.entry.id not in self._in_work:
            return
        if work.spent is not None:
            score = score.model_copy(update={"usage": _sum(work.spent, score.usage)})
        failure = score.error
        if score.status != "failed" or failure is None:
            self._finish(work, score)
        elif self._stopping.is_set() and failure.retryable:
            pass  # stays leased to this process and is released by `close`: another process tries it
        elif failure.retryable and work.attempt < self._limits.max_attempts:
            work.spent = score.usage
            wait = self._limits.retry_wait_seconds * 2 ** (work.attempt - 1)
            self._try_later(work, min(wait, MAX_RETRY_WAIT_SECONDS), counts=True)
        else:
            self._give_up(work, failure, score)

    def _try_later(self, work: InWork, wait_seconds: float, *, counts: bool) -> None:
        task = asyncio.create_task(self._retry(work, wait_seconds, counts))
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)

    async def _retry(self, work: InWork, wait_seconds: float, counts: bool) -> None:
        """Wait, then try once more. The lease is renewed meanwhile."""
        await asyncio.sleep(wait_seconds)
        if counts:
            work.attempt += 1
            with contextlib.suppress(RedisError, OSError):  # the count in Redis matters only if this process dies too
                await self._broker.count_repetition(work.entry.id)
        if work.entry.id in self._in_work:
            self._admit([work])

    def _expire(self, work: InWork, detail: str) -> None:
        self._finish(work, self._without_reward(work, "expired", "deadline_expired", detail))

    def _give_up(self, work: InWork, failure: ScoreFailure, failed: Score | None = None) -> None:
        log.error("dead_letter", entry=work.entry.id, code=failure.code, request_id=work.message.trace)
        score = self._without_reward(work, "failed", failure.code, failure.detail)
        if failed is not None:  # what it cost, and what was found out before it failed
            score = score.model_copy(update={"usage": failed.usage, "details": failed.details})
        self._finish(work, score, dead_letter=self._dead_letter(work.entry, failure, work.attempt))

    def _finish(self, work: InWork, score: Score, dead_letter: str = "") -> None:
        self._outbox.observe(score, work.message.rollout)
        left_ms = max(0, round((work.expires_at - time.monotonic()) * 1000))
        self._outbox.add(
            Completion(
                entry=work.entry.id,
                request=work.message.request,
                result_ttl_ms=left_ms + RESULT_MARGIN_MS,
                result=score.model_dump_json(),
                dead_letter=dead_letter,
            )
        )

    def _finish_unreadable(self, entry: Entry) -> None:
        """An entry that nobody of ours wrote has no requester that could be told: only a dead letter."""
        log.error("dead_letter", entry=entry.id, code="unreadable_entry")
        letter = self._dead_letter(entry, _failure("unreadable_entry", "the entry is not a queued rollout"), 1)
        self._outbox.add(Completion(entry=entry.id, request=None, result_ttl_ms=0, result="", dead_letter=letter))

    def _dead_letter(self, entry: Entry, failure: ScoreFailure, attempts: int) -> str:
        self._metrics.dead_letter_total.inc()
        return DeadLetter(
            entry=entry.id,
            data=entry.data.decode(errors="replace"),
            error=failure,
            attempts=attempts,
            version=self._scorer.info().version,
        ).model_dump_json()

    async def _complete(self) -> None:
        for completion in await self._outbox.save():
            self._in_work.pop(completion.entry, None)
        self._room.set()

    # Keeping

    async def _renew(self) -> None:
        if held := list(self._in_work):
            for entry in await self._broker.renew(self._consumer, held):
                work = self._in_work.pop(entry, None)
                if work is not None and work.admission is not None:
                    work.admission.drop([work.place])
        await asyncio.sleep(self._limits.lease_seconds / 3)

    async def _report(self) -> None:
        try:
            await self._broker.ensure_group()
            info: RewardInfo = self._scorer.info()
            await self._broker.publish_info(info.model_dump_json(), INFO_TTL_SECONDS)
            depth, oldest = await self._broker.state()
            await self._broker.remove_idle_consumers(IDLE_CONSUMER_MS)
            self._metrics.observe_queue(depth, oldest)
        except (RedisError, OSError):
            self._metrics.observe_queue(None, None)
            raise
        await asyncio.sleep(REPORT_INTERVAL_SECONDS)

    def _without_reward(self, work: InWork, status: Literal["failed", "expired"], code: str, detail: str) -> Score:
        return Score(
            id=work.message.rollout.id,
            status=status,
            reward=None,
            error=_failure(code, detail),
            version=self._scorer.info().version,
            usage=work.spent,
            latency_seconds=time.monotonic() - work.read_at,
        )


def _failure(code: str, detail: str) -> ScoreFailure:
    """A failure that the queue has done all it can about: the requester need not send the rollout again."""
    return ScoreFailure(code=code, detail=detail, retryable=False)


def _sum(one: Usage, other: Usage | None) -> Usage:
    """What two tries cost together, as far as they say."""
    if other is None:
        return one
    return Usage(
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
    )


def _log_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("queue_loop_died", exc_info=error)
