"""Whatever stands in a stream, reading it gives a message or a typed error, and the door of the queue lives on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from shared.client.queue import QueueRewardClient
from shared.errors import RewardProtocolError
from shared.queue.broker import MAX_DEADLINE_DIGITS, Entry, _entry
from shared.queue.keys import QueueKeys
from shared.queue.messages import QueuedResults, QueuedRollout
from shared.schemas import Score
from tests.support.effort import FUZZ_EXAMPLES
from tests.support.greetings import rollout, rollouts
from tests.support.scorers import MarkedScorer
from tests.support.waiting import GENEROUS_SECONDS, until
from tests.unit.shared.test_queue_door import MemoryBroker, door_of
from tests.unit.shared.test_queue_requester import MemoryBroker as RequestersBroker

DEADLINE_MS = 10**MAX_DEADLINE_DIGITS - 1
MESSAGE = QueuedRollout(request="请求", rollout=rollout(1), options={"mode": "polite"}, trace="步骤").model_dump()
SCORE = Score(id=rollout(1).id, status="scored", reward=0.5, version="v", latency_seconds=0)
RESULT = QueuedResults(scores=[SCORE]).model_dump()

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),  # lone surrogates as well
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


def changed(document: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """JSON of a document in which one value, at whatever depth, is another one or missing."""

    @st.composite
    def change(draw: st.DrawFn) -> bytes:
        copy = json.loads(json.dumps(document))
        part = copy
        while True:
            key = draw(st.sampled_from(sorted(part)))
            if not (isinstance(part[key], dict) and part[key] and draw(st.booleans())):
                break
            part = part[key]
        if draw(st.integers(0, 3)):
            part[key] = draw(anything)
        else:
            del part[key]
        return json.dumps(copy, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")

    return change()


def damaged(document: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """Bytes that are no JSON, some other JSON, or nearly the right one."""
    whole = json.dumps(document).encode()
    cut = st.builds(lambda start, end: whole[start:end], st.integers(0, 20), st.integers(0, len(whole)))
    return st.binary() | anything.map(lambda value: json.dumps(value).encode()) | changed(document) | cut


fields = st.dictionaries(
    st.sampled_from([b"deadline", b"data", b"else"]) | st.binary(),
    st.binary() | st.integers().map(lambda number: str(number).encode()) | damaged(MESSAGE),
    max_size=4,
)


@given(fields)
@example({b"deadline": "٣".encode(), b"data": b""})
@example({b"deadline": b"9" * 5000})
@example({b"deadline": b"-1"})
def test_whatever_fields_an_entry_has_it_is_read_with_a_deadline_that_is_a_time(found: dict[bytes, bytes]) -> None:
    entry = _entry(b"1-0", found, 5000)
    assert 0 <= entry.left_ms + 5000 <= DEADLINE_MS
    assert entry.age_ms == 4999
    assert entry.data == found.get(b"data", b"")


@given(damaged(MESSAGE))
@example(b'{"options": ' + b"[" * 100_000)
@example(json.dumps({**MESSAGE, "options": {"mode": 0}}).replace("0", "9" * 5000).encode())
@example(json.dumps(MESSAGE).encode("utf-16"))
@example(json.dumps(MESSAGE).replace("polite", "\\ud83c").encode())
def test_data_is_a_rollout_that_can_be_sent_on_or_a_validation_error(data: bytes) -> None:
    try:
        message = QueuedRollout.model_validate_json(data)
    except ValidationError:
        return
    assert QueuedRollout.model_validate_json(message.model_dump_json()) == message
    assert QueueKeys("greetings").results(message.request).encode().decode().endswith(message.request)


@settings(max_examples=max(20, FUZZ_EXAMPLES))
@given(st.lists(damaged(MESSAGE), max_size=8))
@example([json.dumps({**MESSAGE, "options": {"mode": 0}}).replace("0", "9" * 4000).encode()])
@example([json.dumps({**MESSAGE, "options": {"\x00": [[]]}}).encode()])
def test_a_door_ends_every_entry_once_whatever_stands_in_it_and_scores_the_good_ones(bad: list[bytes]) -> None:
    async def read_all() -> MemoryBroker:
        broker = MemoryBroker()
        broker.new = [
            Entry(id=f"0-{number}", age_ms=1000, left_ms=DEADLINE_MS, data=data) for number, data in enumerate(bad)
        ]
        broker.put(rollouts(3, first=100))
        ids = {entry.id for entry in broker.new}
        async with door_of(broker, MarkedScorer()):  # fails where one of the door's loops died
            await until(lambda: set(broker.completed) == ids, "every entry ends")
        return broker

    broker = asyncio.run(read_all())
    told = [Score.model_validate_json(done.result) for done in broker.completed.values() if done.request]
    good = {each.id for each in rollouts(3, first=100)}
    assert {score.id: score.status for score in told if score.id in good} == dict.fromkeys(good, "scored")
    told_nobody = [done for done in broker.completed.values() if done.request is None]
    assert all(done.dead_letter for done in told_nobody)
    unreadable = [letter for letter in broker.dead_letters() if letter.error.code == "unreadable_entry"]
    assert len(unreadable) == len(told_nobody) == sum(not _is(QueuedRollout, data) for data in bad)


def _is(model: type[BaseModel], data: bytes) -> bool:
    try:
        model.model_validate_json(data)
    except ValidationError:
        return False
    return True


@settings(max_examples=max(30, FUZZ_EXAMPLES))
@given(damaged(RESULT))
@example(b"")
def test_a_requester_gets_a_typed_error_of_a_result_that_it_cannot_read(data: bytes) -> None:
    asked = rollouts(2)

    class Broker(RequestersBroker):
        async def read_results(self, request: str, after: str, count: int) -> list[tuple[str, bytes]]:
            good = await super().read_results(request, after, count)
            return [("0-1", data), *good]

    async def score() -> list[Score]:
        client = QueueRewardClient("redis://127.0.0.1:1/0", "greetings", timeout_seconds=GENEROUS_SECONDS)
        client._broker = Broker()
        return await client.score(asked)

    if _is(QueuedResults, data):
        assert [each.id for each in asyncio.run(score())] == [each.id for each in asked]
    else:
        with pytest.raises(RewardProtocolError, match="a result in the queue breaks the contract"):
            asyncio.run(score())
