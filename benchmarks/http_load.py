"""Load over HTTP, from a process of its own.

It shares the cores with the model, so it is as light as can be: requests are rendered before the clock starts and sent
over connections that stay open; of an answer only the head is looked at until the clock has stopped. Any real client
written in Python costs more than this one.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import uvloop

from benchmarks import workload
from benchmarks.processes import serve_commands
from shared.schemas import ScoreRequest

ANSWER_SECONDS = 300.0


class Connection(asyncio.Protocol):
    """One connection with one request under way at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._size = 0
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the service closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._size:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._received[:end]).lower()
            self._size = end + 4 + int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self._received) >= self._size and self._answer is not None:
            self._answer.set_result(bytes(self._received))
            self._received.clear()
            self._size = 0

    async def send(self, request: bytes) -> bytes:
        """The whole answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def run(command: dict[str, Any]) -> dict[str, Any]:
    """Send all rollouts, ``each`` to a request, with ``at_once`` requests under way all the time."""
    asked = workload.rollouts(command["count"], command["shortest"], command["longest"], command["seed"])
    each = command["each"]
    bodies = [
        ScoreRequest(rollouts=asked[start : start + each]).model_dump_json().encode()
        for start in range(0, len(asked), each)
    ]
    head = b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    requests = [head % len(body) + body for body in bodies]
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(Connection, "127.0.0.1", command["port"]))[1]
        for _ in range(min(command["at_once"], len(bodies)))
    ]
    async with asyncio.timeout(ANSWER_SECONDS):
        sent = await workload.send_all(
            requests,
            [connection.send for connection in connections],
            pause_seconds=command.get("pause_seconds", 0.0),
        )
    for connection in connections:
        connection.close()
    answers = [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in sent.answers]
    scores = [score for answer in answers for score in answer.get("scores", [])]
    rewards = {score["id"]: score["reward"] for score in scores if score["status"] == "scored"}
    return sent.report(rewards, len(asked))


if __name__ == "__main__":
    serve_commands(lambda command: uvloop.run(run(command)))
