"""Where the members of a group meet, in one process or across replicas that share a Redis.

Members arrive one by one, through whichever replica took them. The group closes when all have come or when its time is
over; who is in it then is compared, and nobody is added any more, so that all replicas see the same group.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import random
import time
from collections.abc import Mapping
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.errors import ScoringFailed

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.01, 0.2
KEEP_SECONDS = 900
"""How long a closed group is remembered: a rollout that is scored again, after a crash, finds the same group."""
MAX_GROUPS = 10_000
"""Of one process."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group as it is looked for.

    Attributes:
        key: Of the group: its name, prompt and how it is judged.
        size: How many members it shall have.
        closes_after_seconds: How long the first member waits for the last.
    """

    key: str
    size: int
    closes_after_seconds: float

    @staticmethod
    def key_of(*parts: str) -> str:
        """A key that hangs on all parts."""
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Meeting(Protocol):
    """Where members of a group meet."""

    async def members(self, group: Group, member: str, text: str) -> Mapping[str, str]:
        """Join, and wait until the group is closed.

        Args:
            group: Which group.
            member: Id of the member.
            text: What it wrote.

        Returns:
            The texts of all who are in it, by id; the same for all of them. A member that came too late is not in it.

        Raises:
            ScoringFailed: Where members meet cannot be reached.
        """


@dataclasses.dataclass(slots=True)
class _Table:
    closes_at: float
    texts: dict[str, str] = dataclasses.field(default_factory=dict)
    closed: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)


class LocalMeeting:
    """For a process that has no Redis: its own members only."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}

    async def members(self, group: Group, member: str, text: str) -> Mapping[str, str]:
        """See `Meeting`."""
        self._forget()
        table = self._tables.setdefault(group.key, _Table(time.monotonic() + group.closes_after_seconds))
        if not table.closed.is_set() and time.monotonic() < table.closes_at:
            table.texts[member] = text
            if len(table.texts) >= group.size:
                table.closed.set()
        if not table.closed.is_set():
            try:
                async with asyncio.timeout(max(0.0, table.closes_at - time.monotonic())):
                    await table.closed.wait()
            except TimeoutError:
                table.closed.set()
        return dict(table.texts)

    def _forget(self) -> None:
        now = time.monotonic()
        for key in [key for key, table in self._tables.items() if table.closes_at + KEEP_SECONDS < now]:
            del self._tables[key]
        while len(self._tables) >= MAX_GROUPS:
            del self._tables[next(iter(self._tables))]


JOIN = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local closes = redis.call('HGET', KEYS[1], 'closes')
if not closes then
  closes = now + tonumber(ARGV[3])
  redis.call('HSET', KEYS[1], 'closes', closes)
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local closed = redis.call('HEXISTS', KEYS[1], 'closed') == 1
if not closed and now < tonumber(closes) and ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], 'm:' .. ARGV[1], ARGV[5])
end
if not closed and (redis.call('HLEN', KEYS[1]) - 1 >= tonumber(ARGV[2]) or now >= tonumber(closes)) then
  redis.call('HSET', KEYS[1], 'closed', '1')
  closed = true
end
if closed then
  return {1, redis.call('HGETALL', KEYS[1])}
end
return {0, tonumber(closes) - now}
"""
"""KEYS[1]: the group. ARGV: member ('' to look only), size, milliseconds until it closes, TTL, text.
Answers {1, all fields} when it is closed, else {0, milliseconds left}."""


class RedisMeeting:
    """For replicas that share a Redis. Its own clock decides when a group closes."""

    def __init__(self, redis: Redis, reward: str) -> None:
        self._join = redis.register_script(JOIN)
        self._base = f"zhufu:{{{reward}}}:group:"

    async def members(self, group: Group, member: str, text: str) -> Mapping[str, str]:
        """See `Meeting`."""
        closes_ms = round(group.closes_after_seconds * 1000)
        ttl_ms = closes_ms + KEEP_SECONDS * 1000
        joining, poll_seconds = member, FIRST_POLL_SECONDS
        give_up_at = time.monotonic() + group.closes_after_seconds + 10.0
        while True:
            try:
                closed, value = await self._join(
                    keys=[self._base + group.key], args=[joining, group.size, closes_ms, ttl_ms, text]
                )
            except (RedisError, OSError) as error:
                raise ScoringFailed("Redis, where groups meet, does not answer", code="group_unavailable") from error
            if closed:
                fields = {key.decode(): text.decode() for key, text in zip(value[::2], value[1::2], strict=True)}
                return {name[2:]: text for name, text in fields.items() if name.startswith("m:")}
            if time.monotonic() > give_up_at:
                raise ScoringFailed("the group did not close in time", code="group_unavailable")
            joining = ""
            left_seconds = int(value) / 1000
            await asyncio.sleep(min(poll_seconds * random.uniform(0.7, 1.0), left_seconds + 0.001))
            poll_seconds = min(LAST_POLL_SECONDS, poll_seconds * 2)
