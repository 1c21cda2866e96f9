"""What KEDA reads: the length of the stream is what has no result yet, in whatever order results come."""

from __future__ import annotations

import random

from shared.queue.broker import Broker, Completion, Entry, connect
from tests.support.processes import RedisServer

ROLLOUTS = 60


async def test_the_length_of_the_stream_is_what_waits_and_what_is_in_work(redis_server: RedisServer) -> None:
    broker = Broker(connect(redis_server.url), "judge")
    chance = random.Random(5)
    held: list[Entry] = []
    waiting, added = 0, 0
    try:
        await broker.ensure_group()
        while added < ROLLOUTS or waiting or held:
            match chance.choice(["add", "read", "complete"]):
                case "add" if added < ROLLOUTS:
                    await broker.enqueue("request", [(str(added), "x")], max_length=1_000, left_ms=60_000)
                    added, waiting = added + 1, waiting + 1
                case "read" if waiting:
                    entries = await broker.read("consumer", chance.randint(1, 8))
                    held += entries
                    waiting -= len(entries)
                case "complete" if held:
                    entry = held.pop(chance.randrange(len(held)))
                    done = Completion(entry=entry.id, request="request", result_ttl_ms=60_000, result="{}")
                    assert await broker.complete([done]) == 1
                case _:
                    continue
            length, _ = await broker.state()
            assert length == waiting + len(held)
    finally:
        await broker.aclose()
