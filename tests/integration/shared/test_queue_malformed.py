"""Ten thousand entries that nobody can read end as dead letters; the rollouts among them are scored."""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import random
from collections.abc import Iterator

from shared.queue.messages import QueuedRollout
from tests.conftest import StartService
from tests.support.greetings import rollout, rollouts
from tests.support.processes import RedisServer
from tests.support.queues import KEYS, assert_all_scored, dead_letters_in, length_of, queue_of
from tests.support.waiting import until

MALFORMED = 10_000
GOOD = 600
CHUNK = 500
MESSAGE = QueuedRollout(request="请求", rollout=rollout(1), options={}, trace="步骤")
LATER = "999999999999999"


def malformed(draw: random.Random) -> Iterator[dict[str | bytes, str | bytes]]:
    """Fields that are no rollout, of ten kinds by turns, no two of a kind the same."""
    whole = MESSAGE.model_dump_json()
    document = json.loads(whole)
    for number in itertools.count():
        noise = draw.randbytes(1 + number % 60)
        yield {"deadline": LATER, "data": noise}
        yield {"deadline": noise, "data": f"{number}"}
        yield {noise: noise}
        yield {"deadline": LATER, "data": whole[: draw.randrange(len(whole))]}
        yield {"deadline": LATER, "data": whole.encode("utf-16")[number % 2 :]}
        yield {"deadline": LATER, "data": json.dumps({**document, "rollout": {"id": str(number)}})}
        yield {"deadline": LATER, "data": json.dumps({**document, "request": number})}
        yield {"deadline": LATER, "data": json.dumps({**document, "options": float("nan")})}
        yield {"deadline": LATER, "data": '{"options":' + "[" * (300 + number)}
        yield {"deadline": LATER, "data": whole.replace("步骤", f"\\ud83c{number}")}


def add_malformed(redis: RedisServer, fields: list[dict[str | bytes, str | bytes]]) -> None:
    with redis.client() as client, client.pipeline(transaction=False) as pipeline:
        for each in fields:
            pipeline.xadd(KEYS.rollouts, each)  # type: ignore[arg-type]
        pipeline.execute()


async def test_ten_thousand_malformed_entries_end_as_dead_letters_and_no_rollout_among_them_is_lost(
    start_service: StartService, redis_server: RedisServer
) -> None:
    bad = list(itertools.islice(malformed(random.Random(7)), MALFORMED))
    asked = rollouts(GOOD)
    async with queue_of(redis_server, timeout_seconds=600) as client:
        calls = []
        for number, start in enumerate(range(0, MALFORMED, CHUNK)):
            add_malformed(redis_server, bad[start : start + CHUNK])
            part = asked[number * GOOD * CHUNK // MALFORMED : (number + 1) * GOOD * CHUNK // MALFORMED]
            calls.append(asyncio.create_task(client.score(part)))
            before = MALFORMED * (number + 1) // (MALFORMED // CHUNK) + len(part) * (number + 1)
            await until(lambda before=before: length_of(redis_server) == before, "they stand one behind the other")  # type: ignore[misc]
        services = [start_service(redis=redis_server) for _ in range(2)]
        answers = await asyncio.gather(*calls)
    assert_all_scored(asked, [score for part in answers for score in part])
    await until(lambda: length_of(redis_server) == 0, "nothing is left over")
    letters = dead_letters_in(redis_server)
    assert collections.Counter(letter.error.code for letter in letters) == {"unreadable_entry": MALFORMED}
    assert len({letter.entry for letter in letters}) == MALFORMED
    for service in services:
        service.wait_until("/readyz")
