"""Connections to Redis that pack their commands with hiredis.

redis-py's synchronous connections do so by themselves, its asynchronous ones pack every argument in Python; for a
service that saves hundreds of results in one command, that was more than a third of its time.
"""

from __future__ import annotations

from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, Connection, SSLConnection
from redis.exceptions import DataError


class _Packing:
    """Replaces one method of a connection."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """A command as Redis reads it; `redis.exceptions.DataError` where an argument is neither text nor number."""
        name = args[0].encode() if isinstance(args[0], str) else args[0]
        try:
            return [hiredis.pack_command((*name.split(), *args[1:]))]
        except TypeError as error:
            raise DataError(str(error)) from error


class _PackedConnection(_Packing, Connection):
    pass


class _PackedSslConnection(_Packing, SSLConnection):
    pass


_PACKED: dict[type, type] = {
    Connection: _PackedConnection,
    SSLConnection: _PackedSslConnection,
}


def pack_in_c(pool: BlockingConnectionPool) -> BlockingConnectionPool:
    """Let a pool that has no connections yet open those of this module."""
    pool.connection_class = _PACKED.get(pool.connection_class, pool.connection_class)
    return pool
