"""An HTTP server that answers what a test says, byte for byte, and notes when it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

from tests.support.stream_server import serving


class CannedServer:
    """Gives its answers in turn, the last one again and again; each on a connection of its own."""

    def __init__(self, answers: Sequence[bytes], *, seconds_between_bytes: float = 0.0) -> None:
        self.asked_at: list[float] = []
        self.url = ""
        self._answers = list(answers)
        self._seconds_between_bytes = seconds_between_bytes

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
            self.asked_at.append(time.monotonic())
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if self._seconds_between_bytes:
                for byte in answer:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(self._seconds_between_bytes)
            writer.write(answer if not self._seconds_between_bytes else b"")
            await writer.drain()


def http_answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP answer; header names are written with underscores."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def canned(*answers: bytes, seconds_between_bytes: float = 0.0) -> AsyncIterator[CannedServer]:
    """Serve answers while the context is open."""
    canned_server = CannedServer(answers, seconds_between_bytes=seconds_between_bytes)
    async with serving(canned_server.handle) as canned_server.url:
        yield canned_server
