"""Connections to Redis as redis-py's are, but for two things.

They pack their commands with hiredis. redis-py's synchronous connections do so by themselves, its asynchronous ones
pack every argument in Python; for a service that saves hundreds of results in one command, that was more than a third
of its time.

They say in redis-py's own words that the other side has closed them. uvloop raises a RuntimeError where something is
written to such a connection; asyncio does not, and redis-py knows of no other loop.
"""

from __future__ import annotations

from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError

CLOSED = "the handler is closed"
"""What uvloop says."""


class _Mended:
    """Replaces two methods of a connection."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """A command as Redis reads it; `redis.exceptions.DataError` where an argument is neither text nor number."""
        name = args[0].encode() if isinstance(args[0], str) else args[0]
        try:
            return [hiredis.pack_command((*name.split(), *args[1:]))]
        except TypeError as error:
            raise DataError(str(error)) from error

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send; `redis.exceptions.ConnectionError` where nobody is there any more: the pool then connects anew."""
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            if CLOSED not in str(error):
                raise
            raise RedisConnectionError("the connection was closed by the other side") from error


class _MendedConnection(_Mended, Connection):
    pass


class _MendedSslConnection(_Mended, SSLConnection):
    pass


_MENDED: dict[type, type] = {
    Connection: _MendedConnection,
    SSLConnection: _MendedSslConnection,
}


def mended(pool: BlockingConnectionPool) -> BlockingConnectionPool:
    """Let a pool that has no connections yet open those of this module."""
    pool.connection_class = _MENDED.get(pool.connection_class, pool.connection_class)
    return pool
