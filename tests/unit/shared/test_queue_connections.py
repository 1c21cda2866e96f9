"""Commands packed by hiredis are those that redis-py packs."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Connection
from redis.exceptions import DataError

from shared.queue.broker import connect
from shared.queue.connections import mended

COMMANDS = [
    ("PING",),
    ("EVALSHA", "0" * 40, 2, "zhufu:{judge}:rollouts", "键", 17, "一份\n", b"\x00\xff", ""),
    ("XGROUP CREATE", "key", "scorers", "0", "MKSTREAM"),
    (b"SET", "key", 1.5),
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "rediss://127.0.0.1:1/0"])
def test_a_command_is_the_same_to_the_byte(command: tuple[object, ...], url: str) -> None:
    pool: Any = connect(url).connection_pool
    packed = pool.make_connection().pack_command(*command)
    assert b"".join(packed) == b"".join(Connection().pack_command(*command))  # type: ignore[arg-type]


def test_what_redis_cannot_hold_is_refused_as_redis_py_does() -> None:
    pool: Any = mended(BlockingConnectionPool())
    with pytest.raises(DataError):
        pool.make_connection().pack_command("SET", "key", None)
