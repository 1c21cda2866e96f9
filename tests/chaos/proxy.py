"""A TCP proxy that makes connections slow, half-open, or ends them in the middle of a word."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import struct
from typing import Literal, Self

from tests.support.processes import free_port

Direction = Literal["requests", "replies"]

PIECE_BYTES = 4096
CONNECT_SECONDS = 5.0


@dataclasses.dataclass(slots=True, eq=False, kw_only=True)
class _Connection:
    """Two sockets, and which of their directions nothing passes any more."""

    caller: asyncio.StreamWriter
    target: asyncio.StreamWriter
    silent: set[Direction] = dataclasses.field(default_factory=set)


class Proxy:
    """Passes everything on between ``port`` and a port of this machine, until it is told otherwise.

    Attributes:
        port: Where it listens.
        delay_seconds: How long each piece of at most `PIECE_BYTES` is held.
    """

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.delay_seconds = 0.0
        self._target_port = target_port
        self._silent: set[Direction] = set()
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.reset()

    def fall_silent(self, *directions: Direction) -> None:
        """From now on nothing passes in these directions, and nobody is told.

        Connections that are open now stay so for good, dead as they are; those made before `speak_again` do too.
        """
        self._silent = set(directions)
        for connection in self._connections:
            connection.silent |= self._silent

    def speak_again(self) -> None:
        """New connections are well again."""
        self._silent = set()

    def reset(self) -> int:
        """End all connections as a crashed machine does, with a reset on both sides; how many there were."""
        count = len(self._connections)
        for connection in list(self._connections):
            for writer in (connection.caller, connection.target):
                _reset(writer)
        self._connections.clear()
        return count

    async def _accepted(self, reader: asyncio.StreamReader, caller: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.CancelledError):  # only the end of this proxy cancels
            await self._pass_on(reader, caller)

    async def _pass_on(self, reader: asyncio.StreamReader, caller: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                from_target, target = await asyncio.open_connection("127.0.0.1", self._target_port)
        except (OSError, TimeoutError):
            _reset(caller)
            return
        connection = _Connection(caller=caller, target=target, silent=set(self._silent))
        self._connections.add(connection)
        pumps = [
            asyncio.create_task(self._pump(connection, reader, target, "requests")),
            asyncio.create_task(self._pump(connection, from_target, caller, "replies")),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if connection.silent:  # one side has gone; the other is never told
                await asyncio.Event().wait()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            caller.close()
            target.close()
            self._connections.discard(connection)

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if direction not in connection.silent:
                    writer.write(data)
                    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    transport_socket = writer.get_extra_info("socket")
    if transport_socket is not None and transport_socket.fileno() != -1:
        transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
