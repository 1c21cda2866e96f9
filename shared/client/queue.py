"""A reward through the Redis queue: adds rollouts, waits where the queue is full, reads each result once.

Adding is idempotent by rollout id, so after a lost connection everything that is still open is simply added again.
What Redis has lost altogether (no append-only file) is thereby restored, and what it kept is not scored twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

from pydantic import JsonValue, ValidationError
from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError, RedisError

from shared.client.base import DEFAULT_TIMEOUT_SECONDS, RewardClient, check_request
from shared.client.forgetting import Forgetting, remove
from shared.errors import RewardProtocolError, RewardRejected, RewardUnavailable
from shared.queue.broker import Broker
from shared.queue.messages import QueuedResults, queued
from shared.schemas import RewardInfo, Rollout, Score, ScoreFailure
from shared.tasks import end_tasks

MAX_QUEUED_ROLLOUTS = 50_000
"""A requester adds nothing while the stream holds this many; it waits."""
ENQUEUE_BATCH = 256
RESULTS_BATCH = 16
"""Entries of one read; each holds up to as many scores as a service saves in one step."""
FULL_WAIT_SECONDS = 0.05
RECONNECT_WAIT_SECONDS = 0.25
MAX_RECONNECT_WAIT_SECONDS = 5.0
RESTORE_INTERVAL_SECONDS = 15.0
INFO_TIMEOUT_SECONDS = 10.0


class QueueRewardClient(RewardClient):
    """The reward that reads from one queue."""

    def __init__(
        self,
        redis_url: str,
        reward: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        max_queued_rollouts: int = MAX_QUEUED_ROLLOUTS,
    ) -> None:
        self._broker = Broker.from_url(redis_url, reward)
        self._where = urllib.parse.urlsplit(redis_url).netloc.rpartition("@")[2]  # for errors: without credentials
        self._timeout_seconds = timeout_seconds
        self._max_queued_rollouts = max_queued_rollouts
        self._forgetting = Forgetting(self._broker)

    async def score(
        self,
        rollouts: Sequence[Rollout],
        options: Mapping[str, JsonValue] | None = None,
        *,
        request_id: str | None = None,
    ) -> list[Score]:
        """See `RewardClient.score`. Every rollout gets its score, in order; those not done in time are ``expired``."""
        if not rollouts:
            return []
        checked = check_request(rollouts, options, request_id)
        trace = request_id or uuid.uuid4().hex
        request = _Request(
            self._broker,
            rollouts,
            checked,
            where=self._where,
            trace=trace,
            timeout_seconds=self._timeout_seconds,
            max_queued_rollouts=self._max_queued_rollouts,
        )
        scores = await request.run()
        self._forgetting.add(request.id)
        return scores

    async def info(self) -> RewardInfo:
        """See `RewardClient.info`; `RewardUnavailable` where no process serves this reward at the moment."""
        deadline = time.monotonic() + min(INFO_TIMEOUT_SECONDS, self._timeout_seconds)
        reason = "no process serves this reward"
        while time.monotonic() < deadline:
            try:
                info = await self._broker.reward_info()
                if info is not None:
                    return RewardInfo.model_validate_json(info)
                reason = "no process serves this reward"
            except ValidationError as error:
                raise RewardProtocolError("what the queue says of this reward breaks the contract") from error
            except (AuthenticationError, NoPermissionError) as error:
                raise _refused() from error
            except (RedisError, OSError) as error:
                reason = _away(self._where, error)
            await asyncio.sleep(RECONNECT_WAIT_SECONDS)
        raise RewardUnavailable(reason)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._forgetting.aclose()
        await self._broker.aclose()


class _Request:
    """One call of `score`: two loops, one that adds and one that reads, over the same set of open rollouts.

    What fits into one call of Redis is first added and read in one: mostly, a fast reward's scores come with it.

    Attributes:
        id: Names what the request keeps in Redis.
    """

    def __init__(
        self,
        broker: Broker,
        rollouts: Sequence[Rollout],
        options: dict[str, JsonValue],
        *,
        where: str,
        trace: str,
        timeout_seconds: float,
        max_queued_rollouts: int,
    ) -> None:
        self.id = uuid.uuid4().hex
        self._broker = broker
        self._where = where
        self._rollouts = list(rollouts)
        self._max_queued_rollouts = max_queued_rollouts
        self._begun = time.monotonic()
        self._deadline = self._begun + timeout_seconds
        self._payloads = dict(queued(self.id, self._rollouts, options, trace))
        self._scores: dict[str, Score] = {}
        self._added = False
        self._known = 0
        self._position = "0"
        self._connection_lost = asyncio.Event()
        self._trouble = f"no process that scores {broker.keys.reward} answered in time"

    async def run(self) -> list[Score]:
        """One score each. Unless it raises, what it keeps in Redis is still to be removed."""
        try:
            if len(self._rollouts) <= ENQUEUE_BATCH:
                await self._add_and_read()
            if not self._complete:
                await self._in_loops()
        except BaseException:
            await asyncio.shield(remove(self._broker, self.id))
            raise
        return [self._scores.get(rollout.id) or self._expired(rollout) for rollout in self._rollouts]

    @property
    def _complete(self) -> bool:
        return len(self._scores) == len(self._rollouts)

    async def _add_and_read(self) -> None:
        """The first of both in one call; where Redis is away or has trouble, the loops meet that too, and wait."""
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                added, results = await self._broker.enqueue_and_read(
                    self.id,
                    list(self._payloads.items()),
                    max_length=self._max_queued_rollouts,
                    left_ms=self._left_ms,
                    count=RESULTS_BATCH,
                )
        except NoScriptError:  # this Redis is new: the loops send it the script
            return
        except (RedisError, OSError) as error:
            self._trouble = _away(self._where, error)
            return
        self._added = added > 0
        self._known = added
        self._take(results)

    async def _in_loops(self) -> None:
        """Until every rollout has a score, or the deadline."""
        adding = asyncio.create_task(self._add())
        reading = asyncio.create_task(self._read())
        try:
            done, _ = await asyncio.wait(
                [adding, reading],
                timeout=max(0.0, self._deadline - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                task.result()
        finally:
            await end_tasks([adding, reading])
        if not self._added and not self._scores:
            raise RewardUnavailable(
                f"nothing could be queued for {self._broker.keys.reward} within the time allowed: {self._trouble}"
            )

    async def _add(self) -> None:
        """Add what is open, waiting for room; then watch, and add again what Redis may have lost. Never ends."""
        if self._known < len(self._rollouts):
            await self._until_done(self._add_open)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESTORE_INTERVAL_SECONDS):
                    await self._connection_lost.wait()
            step = self._add_open if self._connection_lost.is_set() else self._restore
            self._connection_lost.clear()
            await self._until_done(step)

    async def _restore(self) -> None:
        """Add again what is open if Redis knows of fewer rollouts than were added last: it has lost its data."""
        if await self._broker.enqueued(self.id) < self._known:
            await self._add_open()

    async def _add_open(self) -> None:
        self._known = 0
        for start in range(0, len(self._rollouts), ENQUEUE_BATCH):
            ids = [rollout.id for rollout in self._rollouts[start : start + ENQUEUE_BATCH]]
            while waiting := [(each, self._payloads[each]) for each in ids if each not in self._scores]:
                added = await self._broker.enqueue(
                    self.id, waiting, max_length=self._max_queued_rollouts, left_ms=self._left_ms
                )
                self._added = self._added or added > 0
                if added == len(waiting):
                    self._known += added
                    break
                self._trouble = "the queue is full"
                await asyncio.sleep(FULL_WAIT_SECONDS)

    @property
    def _left_ms(self) -> int:
        return max(1, round((self._deadline - time.monotonic()) * 1000))

    async def _read(self) -> None:
        """Read results until every rollout has one."""
        while not self._complete:
            await self._until_done(self._read_some)

    async def _read_some(self) -> None:
        self._take(await self._broker.read_results(self.id, self._position, RESULTS_BATCH))

    def _take(self, results: Sequence[tuple[str, bytes]]) -> None:
        for entry, data in results:
            self._position = entry
            try:
                scores = QueuedResults.model_validate_json(data).scores
            except ValidationError as error:
                raise RewardProtocolError("a result in the queue breaks the contract") from error
            for score in scores:
                if score.id in self._payloads:
                    self._scores.setdefault(score.id, score)

    async def _until_done(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do one step; wait and repeat it while Redis is away."""
        wait = RECONNECT_WAIT_SECONDS
        while True:
            try:
                await step()
            except (AuthenticationError, NoPermissionError) as error:
                raise _refused() from error
            except (RedisError, OSError) as error:
                self._trouble = _away(self._where, error)
                self._connection_lost.set()
                await asyncio.sleep(wait)
                wait = min(2 * wait, MAX_RECONNECT_WAIT_SECONDS)
            else:
                return

    def _expired(self, rollout: Rollout) -> Score:
        return Score(
            id=rollout.id,
            status="expired",
            reward=None,
            error=ScoreFailure(code="deadline_expired", detail=self._trouble, retryable=True),
            version="unknown",
            latency_seconds=time.monotonic() - self._begun,
        )


def _away(where: str, error: Exception) -> str:
    return f"Redis does not answer at {where} ({type(error).__name__})"


def _refused() -> RewardRejected:
    return RewardRejected("Redis refuses the credentials of this URL", 401)
