"""Answers of LLMs in Redis: the same question is asked once, also where many processes ask it at the same time.

Who finds no answer takes a lock and asks; it is a lease that its holder renews, so that others take over from a process
that died. Who finds the lock taken waits, and asks Redis now and then; within a process all callers wait for one of
them. Where the holder fails, those who wait for it get its error, and those who come later ask again: no failure is
kept, but the two that are the model's own answer (`KEPT`). Where Redis does not answer, everybody asks for himself.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import random
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis

from shared.llm import cache_scripts as scripts
from shared.llm.chat import ChatAnswer
from shared.llm.errors import LlmFailed, LlmFailureCode
from shared.llm.metrics import LlmMetrics
from shared.llm.redis_calls import RedisCalls
from shared.tasks import end_tasks

log = structlog.get_logger(__name__)

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.01, 0.25
"""Waits between looks for an answer that another process is about to have; they double."""
FAILURE_SECONDS = 5.0
"""How long those who wait can learn why the holder failed; far more than they wait between two looks."""
KEPT: frozenset[LlmFailureCode] = frozenset({"llm_truncated", "llm_refused"})
"""Asked again, the model would only do the same again, and be paid for it; and a replay would not be one."""
UNREADABLE_LIMIT = 3
"""After so many answers that cannot be read, the cache is passed by."""

Ask = Callable[[], Awaitable[ChatAnswer]]
Result = Literal["hit", "miss", "shared", "error"]


class _Failure(BaseModel):
    """Why a holder has no answer, for those who wait for it. What its tokens cost is told once, by the holder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: LlmFailureCode
    detail: str
    retryable: bool
    retry_after_seconds: float | None

    @classmethod
    def of(cls, error: LlmFailed) -> _Failure:
        return cls(
            code=error.failure_code,
            detail=error.detail,
            retryable=error.may_retry,
            retry_after_seconds=error.retry_after_seconds,
        )

    def error(self) -> LlmFailed:
        return LlmFailed(
            self.detail,
            code=self.code,
            retryable=self.retryable,
            retry_after_seconds=self.retry_after_seconds,
        )


def _read(value: bytes) -> ChatAnswer | _Failure:
    """What is kept of a question. Raises ValueError where that is neither an answer nor a failure."""
    try:
        return _Failure.model_validate_json(value)
    except ValueError:
        return ChatAnswer.from_json(value)


@dataclasses.dataclass(slots=True, eq=False)
class _Flight:
    """One question that callers of this process wait for."""

    task: asyncio.Task[tuple[ChatAnswer, bool]]
    callers: int = 0


class AnswerCache:
    """The answers of all processes that use the same Redis and the same name. Close it after its last use."""

    def __init__(
        self,
        redis: Redis,
        name: str,
        *,
        ttl_seconds: float,
        lease_seconds: float = 30.0,
        redis_timeout_seconds: float = 2.0,
        metrics: LlmMetrics,
    ) -> None:
        """Nothing is sent yet.

        Args:
            redis: A client that gives bytes, such as that of `shared.queue.broker.connect`.
            name: Who shares the answers.
            ttl_seconds: How long an answer is kept.
            lease_seconds: How long a process may be silent before another asks in its place.
            redis_timeout_seconds: Longest wait for an answer of Redis.
            metrics: Count what becomes of each call.
        """
        if min(ttl_seconds, lease_seconds, redis_timeout_seconds) <= 0:
            raise ValueError("times must be above 0")
        self._base = f"zhufu:{{{name}}}:llm:answer:"
        self._ttl_ms = int(ttl_seconds * 1000)
        self._lease_ms = int(lease_seconds * 1000)
        self._metrics = metrics
        self._calls = RedisCalls(redis_timeout_seconds)
        self._claim = redis.register_script(scripts.CLAIM)
        self._renew = redis.register_script(scripts.RENEW)
        self._store = redis.register_script(scripts.STORE)
        self._release = redis.register_script(scripts.RELEASE)
        self._discard = redis.register_script(scripts.DISCARD)
        self._flights: dict[str, _Flight] = {}

    async def get_or_ask(self, digest: str, ask: Ask, timeout_seconds: float) -> tuple[ChatAnswer, bool]:
        """The answer that is known, or the one that ``ask`` gets.

        Args:
            digest: `shared.llm.chat.ChatRequest.digest` of the question.
            ask: Asks the LLM. It runs in a task of its own, which ends when the last of its callers has gone.
            timeout_seconds: Longest time of this call.

        Returns:
            The answer, and whether this call asked nothing for it.

        Raises:
            LlmFailed: What ``ask`` raised, now or when it was asked, here or elsewhere; ``llm_timeout`` after the time.
                Only the call that asked has the ``usage`` in its error.
        """
        flight = self._flights.get(digest)
        first = flight is None or flight.task.done()
        if flight is None or flight.task.done():
            flight = self._flights[digest] = _Flight(asyncio.create_task(self._find(digest, ask)))
        else:
            self._count("shared")
        flight.callers += 1
        try:
            await asyncio.wait([flight.task], timeout=timeout_seconds)
        finally:
            flight.callers -= 1
            self._clear(digest, flight)
        if not flight.task.done():
            raise LlmFailed(f"no answer within {timeout_seconds:g} s", code="llm_timeout")
        if flight.task.cancelled():
            raise LlmFailed("the cache was closed while an answer was waited for", code="llm_timeout")
        error = flight.task.exception()
        if isinstance(error, LlmFailed) and not first:
            raise _Failure.of(error).error()  # one exception must not be raised in several tasks
        answer, asked = flight.task.result()
        return answer, not (first and asked)

    async def close(self) -> None:
        """End what runs in the background."""
        await end_tasks([flight.task for flight in self._flights.values()])
        await self._calls.close()

    def _clear(self, digest: str, flight: _Flight) -> None:
        """Forget a question that is answered, and give up one that nobody waits for any more."""
        if flight.callers and not flight.task.done():
            return
        if self._flights.get(digest) is flight:
            del self._flights[digest]
        if not flight.task.done():
            self._calls.start(end_tasks([flight.task]))

    async def _find(self, digest: str, ask: Ask) -> tuple[ChatAnswer, bool]:
        """The answer for all callers of this process, and whether it was asked for here."""
        token, holder = uuid.uuid4().hex, ""
        poll_seconds = FIRST_POLL_SECONDS
        unreadable = 0
        while unreadable < UNREADABLE_LIMIT:
            claimed = await self._claimed(digest, token, holder)
            if claimed is None:
                break
            what, value = claimed
            try:
                if what == scripts.ANSWERED:
                    kept = _read(value)
                    self._count("shared" if holder else "hit")
                    if isinstance(kept, _Failure):
                        raise kept.error()
                    return kept, False
                if what == scripts.FAILED:
                    failure = _Failure.model_validate_json(value)
                    self._count("shared")
                    raise failure.error()
            except ValueError:
                log.error("llm_cache_unreadable", digest=digest, bytes=len(value))
                unreadable += 1
                await self._calls.call(self._discard(keys=[self._key(digest)], args=[value]))
                holder = ""
                continue
            if what == scripts.MINE:
                self._count("error" if unreadable else "miss")
                return await self._ask_for_all(digest, token, ask), True
            holder = value.decode()
            await asyncio.sleep(poll_seconds * random.uniform(0.5, 1.0))
            poll_seconds = min(LAST_POLL_SECONDS, poll_seconds * 2)
        self._count("error")
        return await ask(), True

    async def _claimed(self, digest: str, token: str, holder: str) -> tuple[int, bytes] | None:
        """What is there, or that it is ours to ask now; None where Redis does not answer."""
        keys = [self._key(digest), self._key(digest, "lock"), self._key(digest, "failed", holder)]
        claiming = self._calls.begin(self._claim(keys=keys, args=[token, self._lease_ms]))
        answer = None
        try:
            answer = await self._calls.wait(claiming)
        finally:
            if answer is None:  # the lock may be ours all the same, or become so
                self._calls.start(self._undo(claiming, digest, token))
        return None if answer is None else (int(answer[0]), bytes(answer[1]))

    async def _undo(self, claiming: asyncio.Task[Any], digest: str, token: str) -> None:
        await asyncio.wait([claiming])
        await self._calls.call(self._released(digest, token, ""))

    async def _ask_for_all(self, digest: str, token: str, ask: Ask) -> ChatAnswer:
        """Ask, and let those who wait elsewhere know what became of it, also where this is cancelled."""
        renewing = self._calls.start(self._renew_lease(digest, token))
        ending = functools.partial(self._released, digest, token, "")
        try:
            answer = await ask()
            ending = functools.partial(self._stored, digest, token, answer.to_json())
            return answer
        except LlmFailed as error:
            failure = _Failure.of(error).model_dump_json()
            keep = error.failure_code in KEPT
            ending = functools.partial(self._stored if keep else self._released, digest, token, failure)
            raise
        finally:
            renewing.cancel()
            await self._calls.call(ending())

    async def _stored(self, digest: str, token: str, answer: str) -> None:
        keys = [self._key(digest), self._key(digest, "lock")]
        await self._store(keys=keys, args=[token, answer, self._ttl_ms])

    async def _released(self, digest: str, token: str, failure: str) -> None:
        keys = [self._key(digest, "lock"), self._key(digest, "failed", token)]
        await self._release(keys=keys, args=[token, failure, int(FAILURE_SECONDS * 1000)])

    async def _renew_lease(self, digest: str, token: str) -> None:
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            held = await self._calls.call(self._renew(keys=[self._key(digest, "lock")], args=[token, self._lease_ms]))
            if held == 0:
                log.warning("llm_cache_lease_lost", digest=digest)

    def _key(self, digest: str, *parts: str) -> str:
        return ":".join((self._base + digest, *parts))

    def _count(self, result: Result) -> None:
        self._metrics.cache_requests.labels(result).inc()
