"""Load over HTTP, from a process of its own.

It shares the cores with the model, so it is as light as can be: requests are rendered before the clock starts and sent
over connections that stay open; of an answer only the head is looked at until the clock has stopped. Any real client
written in Python costs more than this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import uvloop

from benchmarks import workload
from benchmarks.processes import serve_commands
from benchmarks.wire_forms import FORMS, OURS, Rewards
from shared.schemas import Rollout, ScoreRequest

ANSWER_SECONDS = 300.0
POOL = 8_192
SCORE, GET_REWARD = "/v1/score", "/get_reward"
REFUSED_CHARACTERS = 1_000
"""What is told of an answer without rewards."""


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

    async def send_prepared(self, prepared: tuple[Sequence[Rollout], bytes]) -> tuple[Sequence[Rollout], bytes]:
        """The answer beside what was asked for."""
        return prepared[0], await self.send(prepared[1])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def score(command: dict[str, Any]) -> dict[str, Any]:
    """Send all rollouts, ``each`` to a request, with ``at_once`` requests under way all the time.

    ``form`` says to which kind of server; see `benchmarks.wire_forms`.
    """
    asked = workload.rollouts(command["count"], command["shortest"], command["longest"], command["seed"])
    each = command["each"]
    form = FORMS[command.get("form", OURS)]
    parts = [asked[start : start + each] for start in range(0, len(asked), each)]
    async with connections(command) as open_ones:
        sent = await workload.send_all(
            [(part, whole_request(form.path, form.body(part))) for part in parts],
            [connection.send_prepared for connection in open_ones],
            pause_seconds=command.get("pause_seconds", 0.0),
        )
    rewards: Rewards = {}
    refused: list[str] = []
    for part, answer in sent.answers:
        head, _, body = answer.partition(b"\r\n\r\n")
        if head.split(b" ", 2)[1] == b"200":
            rewards |= form.rewards(part, body)
        else:
            refused.append(answer.decode(errors="replace")[:REFUSED_CHARACTERS])
    return {**sent.report(rewards, len(asked)), "refused": refused[:1]}


async def pour(command: dict[str, Any]) -> dict[str, Any]:
    """The same for so many that neither they nor their scores are to be held; ``path`` says to which kind of server."""
    path = command.get("path", SCORE)
    made = workload.rollouts(min(command["count"], POOL), command["shortest"], command["longest"], command["seed"])
    each = command["each"]
    pool = [(request_of(made[at : at + each], path), len(made[at : at + each])) for at in range(0, len(made), each)]
    requests = itertools.islice(itertools.cycle(pool), command["count"] // each)
    async with connections(command) as open_ones:

        async def scored_by(connection: Connection, request: tuple[bytes, int]) -> int:
            return scored_in(await connection.send(request[0]), path, request[1])

        sent = await workload.send_all(
            list(requests),
            [functools.partial(scored_by, connection) for connection in open_ones],
            pause_seconds=command.get("pause_seconds", 0.0),
        )
    return {
        "scored": sum(sent.answers),
        "seconds": sent.seconds,
        "cpu_seconds": sent.cpu_seconds,
        "latencies": sent.latencies,
    }


def request_of(part: Sequence[Rollout], path: str) -> bytes:
    """A whole request, as the contract has it or as OpenRLHF's trainer sends it."""
    if path == GET_REWARD:
        prompts = [each.prompt for each in part]
        queries = [each.prompt + each.completion for each in part]
        body = json.dumps({"query": queries, "prompts": prompts, "labels": [None] * len(part)}).encode()
    else:
        body = ScoreRequest(rollouts=list(part)).model_dump_json().encode()
    return whole_request(path, body)


def whole_request(path: str, body: bytes) -> bytes:
    """Head and body."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def scored_in(answer: bytes, path: str, asked: int) -> int:
    """How many rollouts an answer has a reward for; looked at without parsing, as that would cost the server's time."""
    if not answer.startswith(b"HTTP/1.1 200"):
        return 0
    return asked if path == GET_REWARD else answer.count(b'"status":"scored"')


@contextlib.asynccontextmanager
async def connections(command: dict[str, Any]) -> AsyncIterator[list[Connection]]:
    """As many as there are requests under way, for so long as all of it may take."""
    loop = asyncio.get_running_loop()
    count = min(command["at_once"], -(-command["count"] // command["each"]))
    made = [(await loop.create_connection(Connection, "127.0.0.1", command["port"]))[1] for _ in range(count)]
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            yield made
    finally:
        for connection in made:
            connection.close()


def answer(command: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked."""
    return uvloop.run(pour(command) if command["do"] == "pour" else score(command))


if __name__ == "__main__":
    serve_commands(answer)
