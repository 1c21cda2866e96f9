"""The queue's steps as typed calls on one Redis connection pool; used by requesters and by scoring processes.

Every call either did its work or raises a `redis.exceptions.RedisError` or an OSError; none takes longer than
`CALL_SECONDS`.
Each may be repeated after a lost connection without harm: adding is idempotent by rollout id, completing by entry.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ResponseError

from shared.queue import scripts
from shared.queue.connections import mended
from shared.queue.keys import GROUP, QueueKeys

DEAD_MAX_LENGTH = 10_000
"""About how many dead letters are kept; the oldest leave first."""
RESULT_MARGIN_MS = 600_000
"""How long results outlive the deadline of their request."""
REPETITIONS_TTL_SECONDS = 86_400
BLOCK_MS = 1_000
"""Longest wait of one blocking read; far below `CALL_SECONDS`."""
FIRST_BLOCK_MS = 50
"""Longest wait for the first results of what was added in the same call; until then nobody hears of a full queue."""
SOCKET_TIMEOUT_SECONDS = 10.0
CALL_SECONDS = 15.0
"""Longest time of one call, waits for a connection and for results included."""
MAX_DEADLINE_DIGITS = 15

Fields = dict[bytes, bytes]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the rollouts stream, as read. The clock is that of Redis.

    Attributes:
        id: In the stream.
        age_ms: How long it had stood there when it was read.
        left_ms: How long its requester waits from then on; not above 0 where the deadline has passed.
        data: The rollout and its options; see `shared.queue.messages`.
    """

    id: str
    age_ms: int
    left_ms: int
    data: bytes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """How one entry ends: its score for the requester, as JSON, and, where it was given up, its dead letter."""

    entry: str
    request: str | None
    result_ttl_ms: int
    result: str
    dead_letter: str = ""


def connect(
    url: str, max_connections: int = 256, *, socket_timeout_seconds: float | None = SOCKET_TIMEOUT_SECONDS
) -> Redis:
    """A client with time limits on every socket operation. Nothing is sent until the first call.

    Where all connections are in use, a call waits for one: many requests at once are no failure of Redis.

    Args:
        url: Of Redis.
        max_connections: Open at a time.
        socket_timeout_seconds: Longest time to send, and to receive; None where each call is given a limit by others,
            which costs redis-py a task less for each.

    Raises:
        ValueError: The URL is not one of Redis.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=SOCKET_TIMEOUT_SECONDS,
        socket_timeout=socket_timeout_seconds,
        socket_connect_timeout=5.0,
        socket_keepalive=True,
        health_check_interval=15,
    )
    return Redis.from_pool(mended(pool))


class Broker:
    """One reward's queue."""

    def __init__(self, redis: Redis, reward: str) -> None:
        self.keys = QueueKeys(reward)
        self._redis = redis
        self._enqueue = redis.register_script(scripts.ENQUEUE)
        self._complete = redis.register_script(scripts.COMPLETE)
        self._renew = redis.register_script(scripts.RENEW)
        self._count = redis.register_script(scripts.COUNT)
        self._release = redis.register_script(scripts.RELEASE)
        self._prune = redis.register_script(scripts.PRUNE)
        for command in ("XREAD", "XREADGROUP"):  # redis-py would make a dictionary of every entry, twice
            redis.set_response_callback(command, _as_it_is)

    @classmethod
    def from_url(cls, url: str, reward: str) -> Broker:
        """With connections of its own; ValueError where the URL is not one of Redis."""
        return cls(connect(url, socket_timeout_seconds=None), reward)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    async def ping(self) -> None:
        """Raise unless Redis answers."""
        await self._await(self._redis.ping())

    # The requester's side

    async def enqueue(self, request: str, payloads: Sequence[tuple[str, str]], *, max_length: int, left_ms: int) -> int:
        """Add (rollout id, payload) pairs in order, as many as there is room for.

        Returns:
            How many of them, from the first on, stand in the queue now or did before.
        """
        keys, arguments = self._to_enqueue(request, payloads, max_length, left_ms)
        return int(await self._await(self._enqueue(keys=keys, args=arguments)))

    async def enqueue_and_read(
        self, request: str, payloads: Sequence[tuple[str, str]], *, max_length: int, left_ms: int, count: int
    ) -> tuple[int, list[tuple[str, bytes]]]:
        """`enqueue` and, in the same packet, the first `read_results`, which waits less long.

        Raises:
            redis.exceptions.NoScriptError: `enqueue` was never called since this Redis started; nothing was added.
        """
        keys, arguments = self._to_enqueue(request, payloads, max_length, left_ms)
        block_ms = max(1, min(FIRST_BLOCK_MS, left_ms // 2))  # it is told in time that they were added
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.evalsha(self._enqueue.sha, len(keys), *keys, *arguments)
            pipeline.xread({self.keys.results(request): "0"}, count=count, block=block_ms)
            added, answer = await self._await(pipeline.execute())
        return int(added), _results(answer)

    def _to_enqueue(
        self, request: str, payloads: Sequence[tuple[str, str]], max_length: int, left_ms: int
    ) -> tuple[list[str], list[str | int]]:
        arguments: list[str | int] = [max_length, left_ms, RESULT_MARGIN_MS]
        for rollout_id, payload in payloads:
            arguments += (rollout_id, payload)
        return [self.keys.rollouts, self.keys.enqueued(request)], arguments

    async def enqueued(self, request: str) -> int:
        """How many rollouts of a request Redis knows of; they were added since it last lost its data."""
        return int(await self._await(self._redis.scard(self.keys.enqueued(request))))

    async def read_results(self, request: str, after: str, count: int) -> list[tuple[str, bytes]]:
        """Wait a moment for results that came after the one given; (entry id, payload) pairs, maybe none."""
        answer = await self._await(self._redis.xread({self.keys.results(request): after}, count=count, block=BLOCK_MS))
        return _results(answer)

    async def forget(self, *requests: str) -> None:
        """Remove what requests keep in Redis. Their rollouts that have not begun are then expired, not scored."""
        keys = [key for each in requests for key in (self.keys.results(each), self.keys.enqueued(each))]
        await self._await(self._redis.delete(*keys))

    async def reward_info(self) -> bytes | None:
        """What the reward is, as JSON; None while no process serves it."""
        return cast("bytes | None", await self._await(self._redis.get(self.keys.info)))

    # The scoring side

    async def ensure_group(self) -> None:
        """Create the stream and its consumer group unless they exist."""
        try:
            await self._await(self._redis.xgroup_create(self.keys.rollouts, GROUP, id="0", mkstream=True))
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def read(self, consumer: str, count: int) -> list[Entry]:
        """Wait a moment for up to ``count`` new entries and lease them to this consumer."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xreadgroup(GROUP, consumer, {self.keys.rollouts: ">"}, count=count, block=BLOCK_MS)
            pipeline.time()  # asked together: Redis gets to it when there are entries
            answer, now = await self._await(pipeline.execute())
        return [_entry(entry, fields, _milliseconds(now)) for entry, fields in _entries(answer)]

    async def take_over(self, consumer: str, idle_ms: int, count: int) -> list[Entry]:
        """Lease up to ``count`` entries whose own consumer has been silent for ``idle_ms``."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xautoclaim(self.keys.rollouts, GROUP, consumer, min_idle_time=idle_ms, count=count)
            pipeline.time()
            answer, now = await self._await(pipeline.execute())
        entries = cast("list[tuple[bytes | None, Fields | None]]", answer[1])
        return [_entry(entry, fields, _milliseconds(now)) for entry, fields in entries if entry is not None and fields]

    async def renew(self, consumer: str, entries: Sequence[str]) -> set[str]:
        """Renew leases; returns the entries that another consumer holds or has completed."""
        lost = await self._await(self._renew(keys=[self.keys.rollouts], args=[GROUP, consumer, *entries]))
        return {entry.decode() for entry in lost}

    async def release(self, consumer: str, idle_ms: int) -> None:
        """Let others take over at once what this consumer holds; where it holds nothing, remove it."""
        await self._await(self._release(keys=[self.keys.rollouts], args=[GROUP, consumer, idle_ms]))

    async def complete(self, completions: Sequence[Completion]) -> int:
        """Save results and acknowledge their entries, atomically; returns how many were still open."""
        requests = sorted({completion.request for completion in completions if completion.request is not None})
        index = {request: number for number, request in enumerate(requests, 1)}
        arguments: list[str | int] = [GROUP, DEAD_MAX_LENGTH]
        for completion in completions:
            arguments += (
                completion.entry,
                0 if completion.request is None else index[completion.request],
                completion.result_ttl_ms,
                completion.result,
                completion.dead_letter,
            )
        keys = [self.keys.rollouts, self.keys.repetitions, self.keys.dead, *map(self.keys.results, requests)]
        return int(await self._await(self._complete(keys=keys, args=arguments)))

    async def repetitions(self, entries: Sequence[str]) -> list[int]:
        """How often each entry was tried again so far, the first try not counted."""
        counts = await self._await(self._redis.hmget(self.keys.repetitions, list(entries)))
        return [int(count or 0) for count in counts]

    async def count_repetition(self, entry: str) -> None:
        """Note that an entry is about to be tried again, unless it is completed."""
        keys = [self.keys.rollouts, self.keys.repetitions]
        await self._await(self._count(keys=keys, args=[GROUP, entry, REPETITIONS_TTL_SECONDS]))

    async def forgotten(self, requests: Iterable[str]) -> set[str]:
        """Those of the requests for which nobody waits any more."""
        asked = sorted(set(requests))
        if not asked:
            return set()
        async with self._redis.pipeline(transaction=False) as pipeline:
            for request in asked:
                pipeline.exists(self.keys.enqueued(request))
            found = await self._await(pipeline.execute())
        return {request for request, count in zip(asked, found, strict=True) if not count}

    async def publish_info(self, info: str, ttl_seconds: int) -> None:
        """Tell requesters what this reward is, for as long as somebody serves it."""
        await self._await(self._redis.set(self.keys.info, info, ex=ttl_seconds))

    async def state(self) -> tuple[int, float]:
        """Length of the rollouts stream, and the age of its oldest entry in seconds (0 when it is empty)."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.xlen(self.keys.rollouts)
            pipeline.xrange(self.keys.rollouts, count=1)
            now, length, oldest = await self._await(pipeline.execute())
        age_ms = max(0, _milliseconds(now) - _added_ms(oldest[0][0])) if oldest else 0
        return int(length), age_ms / 1000

    async def remove_idle_consumers(self, idle_ms: int) -> int:
        """Forget consumers that hold nothing and have been silent; returns how many."""
        return int(await self._await(self._prune(keys=[self.keys.rollouts], args=[GROUP, idle_ms])))

    @staticmethod
    async def _await(answer: Any) -> Any:
        """What a call answers in time; TimeoutError, and its connection is closed, where it does not.

        redis-py types its commands as "an awaitable, or the value"; on the asyncio client they are awaitables.
        """
        async with asyncio.timeout(CALL_SECONDS):
            return await answer


def _as_it_is(response: Any, **kwargs: Any) -> Any:
    return response


def _entries(answer: Any) -> Iterator[tuple[bytes, Fields]]:
    """Of a read of one stream, as it was received: None on time-out, a list of pairs under RESP2, a map under RESP3."""
    if not answer:
        return
    for _, entries in answer.items() if isinstance(answer, dict) else answer:
        for entry, fields in entries:
            parts = iter(fields or ())
            yield entry, dict(zip(parts, parts, strict=True))


def _results(answer: Any) -> list[tuple[str, bytes]]:
    return [(entry.decode(), fields.get(b"data", b"")) for entry, fields in _entries(answer)]


def _entry(entry: bytes, fields: Fields, now_ms: int) -> Entry:
    deadline = fields.get(b"deadline", b"0")
    deadline_ms = int(deadline) if deadline.isdigit() and len(deadline) <= MAX_DEADLINE_DIGITS else 0
    return Entry(
        id=entry.decode(),
        age_ms=now_ms - _added_ms(entry),
        left_ms=deadline_ms - now_ms,
        data=fields.get(b"data", b""),
    )


def _added_ms(entry: bytes) -> int:
    """When an entry was added: its id begins with that."""
    return int(entry.partition(b"-")[0])


def _milliseconds(time: tuple[int, int]) -> int:
    """Of what TIME answers: seconds and microseconds."""
    seconds, microseconds = time
    return int(seconds) * 1000 + int(microseconds) // 1000
