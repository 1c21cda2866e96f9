"""An HTTP server that notes who asked it and when, and how many it answers at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from tests.support.stream_server import serving


class CountingServer:
    """Answers every request with its own number, after a while.

    Attributes:
        arrivals: When each request came, on the clock of `time.monotonic`, and its body.
        most_in_flight: The most requests that were being answered at one time.
        seconds: How long it takes to answer.
        status: Of the answers.
    """

    def __init__(self) -> None:
        self.url = ""
        self.arrivals: list[tuple[float, str]] = []
        self.most_in_flight = 0
        self.seconds = 0.0
        self.status = "200 OK"
        self.answering = asyncio.Event()
        """Clear it, and answers wait."""
        self.answering.set()
        self._in_flight = 0

    @property
    def times(self) -> list[float]:
        return sorted(at for at, _ in self.arrivals)

    def most_within(self, seconds: float) -> int:
        """The most arrivals in any window of this length; it holds its beginning and not its end."""
        times, begin, most = self.times, 0, 0
        for end, at in enumerate(times):
            while at - times[begin] >= seconds:
                begin += 1
            most = max(most, end - begin + 1)
        return most

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                arrived = time.monotonic()
                lengths = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
                self.arrivals.append((arrived, body.decode()))
                number = str(len(self.arrivals))
                self._in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self._in_flight)
                try:
                    await asyncio.sleep(self.seconds)
                    await self.answering.wait()
                finally:
                    self._in_flight -= 1
                writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: {len(number)}\r\n\r\n{number}".encode())
                await writer.drain()


@contextlib.asynccontextmanager
async def counting() -> AsyncIterator[CountingServer]:
    """Serve while the context is open."""
    counter = CountingServer()
    async with serving(counter.handle) as counter.url:
        yield counter
