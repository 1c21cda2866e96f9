"""Which principles there are and which are in force, for all replicas alike where they share a Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.judge.metrics import JudgeMetrics
from services.judge.principles import find_principles, shipped_principles
from shared.errors import InvalidRequest, NotReady
from shared.principles import Principles

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 1.0
"""How long a replica may judge by what was in force before."""
MAX_PUBLISHED = 128
ACTIVE = "active"
DOCUMENT = "document:"

TAKEN, NO_ROOM, PUBLISHED = range(3)
"""What `PUBLISH` answers."""

PUBLISH = """
-- KEYS: the hash    ARGV: field, document, most documents
local before = redis.call('HGET', KEYS[1], ARGV[1])
if before then
  local old, new = cjson.decode(before), cjson.decode(ARGV[2])
  if old.language ~= new.language or table.concat(old.rules, '\\n') ~= table.concat(new.rules, '\\n') then return 0 end
elseif redis.call('HLEN', KEYS[1]) > tonumber(ARGV[3]) then
  return 1
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 2
"""
"""Another replica may have published under the same id since this one looked."""


class PrinciplesStore:
    """All principles that can be named, by id and by version; one set is in force.

    Ids are unique: another text under a known id is refused, as its scores could not be told apart by people.
    """

    def __init__(self, configured: str, reward: str, redis: Redis | None, metrics: JudgeMetrics) -> None:
        """Raises `shared.errors.InvalidData` where ``configured`` names no principles."""
        self._known = {each.id: each for each in shipped_principles()}
        first = find_principles(configured)
        self._known[first.id] = first
        self._unreadable: set[str] = set()
        self._active = first
        self._redis = redis
        self._key = f"zhufu:{{{reward}}}:principles"
        self._metrics = metrics
        self._publish = None if redis is None else redis.register_script(PUBLISH)
        self._refreshed_at = -REFRESH_SECONDS
        self._refreshing = asyncio.Lock()
        metrics.in_force(first.version)

    @property
    def active(self) -> Principles:
        """Those in force, as far as this replica has heard."""
        return self._active

    @property
    def known(self) -> Mapping[str, Principles]:
        """All, by id."""
        return self._known

    def named(self, name: str) -> Principles:
        """Principles by id or version. Raises `InvalidRequest` where there are none."""
        for each in self._known.values():
            if name in (each.id, each.version):
                return each
        raise InvalidRequest(f"there are no principles {name!r}; GET /v1/principles lists them")

    async def refresh(self) -> None:
        """Hear what other replicas were told, at most once a second. Where Redis is silent, all stays as it was."""
        if self._redis is None or time.monotonic() - self._refreshed_at < REFRESH_SECONDS:
            return
        async with self._refreshing:
            if time.monotonic() - self._refreshed_at < REFRESH_SECONDS:
                return
            self._refreshed_at = time.monotonic()
            try:
                await self._read(self._redis)
            except (RedisError, OSError) as error:
                log.warning("principles_not_refreshed", error_type=type(error).__name__)

    async def watch(self) -> None:
        """Hear what other replicas were told, also while nothing is scored: options name what they published."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.refresh()

    async def publish(self, principles: Principles) -> None:
        """Make principles known to all replicas.

        Raises:
            InvalidRequest: The id is taken by another text, or there are too many.
            NotReady: Redis does not answer.
        """
        known = self._known.get(principles.id)
        if known is not None and known.version != principles.version:
            raise _taken(principles.id)
        if len(self._known) >= MAX_PUBLISHED and known is None:
            raise InvalidRequest(f"there are {len(self._known)} sets of principles already")
        if self._redis is not None and self._publish is not None:
            try:
                arguments: list[str | int] = [DOCUMENT + principles.id, principles.model_dump_json(), MAX_PUBLISHED]
                answer = await self._publish(keys=[self._key], args=arguments)
            except (RedisError, OSError) as error:
                raise NotReady("Redis, which keeps the principles, does not answer") from error
            if answer == TAKEN:
                raise _taken(principles.id)
            if answer == NO_ROOM:
                raise InvalidRequest(f"there are {MAX_PUBLISHED} sets of principles already")
        self._known[principles.id] = principles
        log.info("principles_published", version=principles.version)

    async def activate(self, name: str) -> Principles:
        """Put principles in force, here at once and in other replicas within a second or so.

        Raises:
            InvalidRequest: There are none of that id or version.
            NotReady: Redis does not answer.
        """
        principles = self.named(name)
        if self._redis is not None:
            await self.publish(principles)
            try:
                await self._redis.hset(self._key, ACTIVE, principles.id)
            except (RedisError, OSError) as error:
                raise NotReady("Redis, which keeps the principles, does not answer") from error
        self._put_in_force(principles)
        return principles

    async def _read(self, redis: Redis) -> None:
        fields = set(map(_text, await redis.hkeys(self._key)))
        published = {field.removeprefix(DOCUMENT) for field in fields if field.startswith(DOCUMENT)}
        for name in sorted(published - self._known.keys() - self._unreadable):
            document = await redis.hget(self._key, DOCUMENT + name)
            try:
                self._known[name] = Principles.model_validate_json(document or b"")
            except ValidationError:
                log.error("principles_unreadable", id=name)
                self._unreadable.add(name)
        active = await redis.hget(self._key, ACTIVE)
        name = self._active.id if active is None else _text(active)
        if name != self._active.id and name in self._known:
            self._put_in_force(self._known[name])

    def _put_in_force(self, principles: Principles) -> None:
        if principles.version != self._active.version:
            log.info("principles_in_force", version=principles.version, before=self._active.version)
        self._active = principles
        self._metrics.in_force(principles.version)


def _taken(name: str) -> InvalidRequest:
    return InvalidRequest(f"{name!r} is the id of other principles; choose a new one")


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
