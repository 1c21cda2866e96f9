"""`QueueDoor` where a real Redis cannot be made to fail at the right moment: a broker in memory that does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import pytest
from prometheus_client import CollectorRegistry
from pydantic import JsonValue
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.batch_selection import BatchLimits
from shared.batching import MicroBatcher
from shared.errors import ScoringFailed
from shared.metrics import ServiceMetrics
from shared.queue.broker import Broker, Completion, Entry, _entry
from shared.queue.consumer import QueueDoor, QueueLimits
from shared.queue.keys import QueueKeys
from shared.queue.messages import DeadLetter, QueuedRollout
from shared.schemas import Rollout, Score, Usage
from shared.scorer import Outcome, Scored
from tests.support.greetings import COMPLETIONS, rollout, rollouts
from tests.support.scorers import FAILS, FAILS_FOR_GOOD, MarkedScorer
from tests.support.waiting import GENEROUS_SECONDS, until

LEASE_SECONDS = 0.3


class MemoryBroker(Broker):
    """A queue in memory. ``fail`` names calls that are to fail once more, and how often."""

    def __init__(self) -> None:
        self.keys = QueueKeys("greetings")
        self.new: list[Entry] = []
        self.abandoned: list[Entry] = []
        self.tries: dict[str, int] = {}
        self.completed: dict[str, Completion] = {}
        self.claims: list[float] = []
        self.fail: dict[str, int] = {}
        self.may_complete = asyncio.Event()
        self.may_complete.set()

    def put(self, asked: Sequence[Rollout], *, abandoned: bool = False, options: dict[str, str] | None = None) -> None:
        for number, each in enumerate(asked):
            message = QueuedRollout(request="请求", rollout=each, options=dict(options or {}), trace="步骤")
            entry = Entry(
                id=f"{round(time.time() * 1000)}-{len(self.new) + len(self.abandoned) + number}",
                age_ms=1000,
                left_ms=round(GENEROUS_SECONDS * 1000),
                data=message.model_dump_json().encode(),
            )
            (self.abandoned if abandoned else self.new).append(entry)

    def score_of(self, each: Rollout) -> Score:
        scores = [Score.model_validate_json(done.result) for done in self.completed.values()]
        (score,) = [score for score in scores if score.id == each.id]
        return score

    def dead_letters(self) -> list[DeadLetter]:
        letters = [done.dead_letter for done in self.completed.values() if done.dead_letter]
        return [DeadLetter.model_validate_json(letter) for letter in letters]

    def _maybe_fail(self, call: str) -> None:
        if self.fail.get(call, 0) > 0:
            self.fail[call] -= 1
            raise RedisConnectionError("gone")

    async def aclose(self) -> None: ...

    async def ensure_group(self) -> None: ...

    async def read(self, consumer: str, count: int) -> list[Entry]:
        self._maybe_fail("read")
        taken, self.new[:count] = self.new[:count], []
        await asyncio.sleep(0 if taken else 0.02)
        return taken

    async def take_over(self, consumer: str, idle_ms: int, count: int) -> list[Entry]:
        self.claims.append(time.monotonic())
        self._maybe_fail("take_over")
        return [entry for entry in self.abandoned if entry.id not in self.completed][:count]

    async def renew(self, consumer: str, entries: Sequence[str]) -> set[str]:
        self._maybe_fail("renew")
        return set()

    async def release(self, consumer: str, idle_ms: int) -> None: ...

    async def complete(self, completions: Sequence[Completion]) -> int:
        self._maybe_fail("complete")
        await self.may_complete.wait()
        for completion in completions:
            self.completed.setdefault(completion.entry, completion)
        return len(completions)

    async def repetitions(self, entries: Sequence[str]) -> list[int]:
        return [self.tries.get(entry, 0) for entry in entries]

    async def count_repetition(self, entry: str) -> None:
        self._maybe_fail("count_repetition")
        self.tries[entry] = self.tries.get(entry, 0) + 1

    async def forgotten(self, requests: Iterable[str]) -> set[str]:
        if list(requests):
            self._maybe_fail("forgotten")
        return set()

    async def publish_info(self, info: str, ttl_seconds: int) -> None: ...

    async def state(self) -> tuple[int, float]:
        return len(self.new), 0.0

    async def remove_idle_consumers(self, idle_ms: int) -> int:
        return 0


@contextlib.asynccontextmanager
async def door_of(
    broker: MemoryBroker,
    scorer: MarkedScorer,
    *,
    max_in_work: int = 100,
    max_attempts: int = 3,
    max_pending: int = 100,
    max_batch_rollouts: int = 16,
) -> AsyncIterator[tuple[QueueDoor, MicroBatcher]]:
    metrics = ServiceMetrics(scorer.name, CollectorRegistry())
    limits = BatchLimits(max_pending=max_pending, max_batch_rollouts=max_batch_rollouts, max_batch_tokens=100_000)
    batcher = MicroBatcher(scorer, limits, metrics)
    queue_limits = QueueLimits(
        max_in_work=max_in_work, max_attempts=max_attempts, lease_seconds=LEASE_SECONDS, retry_wait_seconds=0.01
    )
    door = QueueDoor(broker, batcher, scorer, queue_limits, metrics)
    batcher.start()
    door.start()
    try:
        yield door, batcher
        assert door.alive
    finally:
        broker.may_complete.set()
        await door.stop_reading()
        await batcher.drain(1.0)
        await door.close(1.0)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.queue.consumer.RECONNECT_WAIT_SECONDS", 0.01)
    monkeypatch.setattr("shared.queue.consumer.MAX_RECONNECT_WAIT_SECONDS", 0.05)


@pytest.mark.parametrize("call", ["read", "take_over", "forgotten", "count_repetition", "complete", "renew"])
@pytest.mark.parametrize("max_attempts", [2, 3])
async def test_no_rollout_is_forgotten_when_redis_is_away_for_a_moment(call: str, max_attempts: int) -> None:
    broker = MemoryBroker()
    taken_over, read = rollouts(3), rollouts(3, first=3)
    broker.put(taken_over, abandoned=True)
    broker.put(read)
    broker.fail = {call: 3}
    async with door_of(broker, MarkedScorer(), max_attempts=max_attempts):
        # What was read when `forgotten` failed stays with its lease, which in a real Redis would run out.
        expected = taken_over if call == "forgotten" else [*taken_over, *read]
        await until(lambda: len(broker.completed) >= len(expected), "all results saved")
        assert {broker.score_of(each).status for each in expected} == {"scored"}


async def test_nothing_is_claimed_for_a_lease_after_redis_was_away_so_that_the_living_can_renew() -> None:
    broker = MemoryBroker()
    broker.put(rollouts(1), abandoned=True)
    broker.fail = {"take_over": 1}
    async with door_of(broker, MarkedScorer()):
        await until(lambda: len(broker.completed) == 1)
    assert broker.claims[1] - broker.claims[0] >= LEASE_SECONDS


async def test_a_scorer_that_raises_on_options_costs_only_the_rollout_with_them() -> None:
    broker = MemoryBroker()
    broker.put([rollout(0)], options={"mode": "broken"})
    broker.put([rollout(1)], options={"mode": "rude"})
    broker.put([rollout(2)], options={"mode": "polite"})
    async with door_of(broker, MarkedScorer()):
        await until(lambda: len(broker.completed) == 3)
    letters = {letter.error.code for letter in broker.dead_letters()}
    assert letters == {"scorer_error", "invalid_request"}
    assert broker.score_of(rollout(2)).status == "scored"


async def test_what_dead_processes_left_is_taken_over_also_by_a_process_that_is_full() -> None:
    broker = MemoryBroker()
    scorer = MarkedScorer(seconds_per_batch=0.02)
    broker.put(rollouts(400, first=100))
    async with door_of(broker, scorer, max_in_work=8, max_batch_rollouts=4):
        await until(lambda: len(broker.completed) >= 8)
        abandoned = rollouts(4)
        broker.put(abandoned, abandoned=True)
        ids = {entry.id for entry in broker.abandoned}
        await until(lambda: ids <= set(broker.completed), "the abandoned ones are scored")
        assert len(broker.completed) < 400


async def test_a_last_try_runs_alone_also_when_the_batcher_was_full_at_first() -> None:
    opened = asyncio.Event()

    class Gated(MarkedScorer):
        async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> Sequence[Outcome]:
            outcomes = await super().score(rollouts, options)
            await opened.wait()
            return outcomes

    broker = MemoryBroker()
    scorer = Gated()
    async with door_of(broker, scorer, max_attempts=2, max_pending=4) as (_, batcher):
        late = time.monotonic() + GENEROUS_SECONDS
        first = batcher.admit([rollout(10)], {}, expires_at=late)
        await until(lambda: len(scorer.batches) == 1)
        others = batcher.admit(rollouts(4, first=11), {}, expires_at=late)
        broker.put(rollouts(3), abandoned=True)
        await until(lambda: sum(broker.tries.values()) >= 1, "a last try was begun")
        await asyncio.sleep(0.2)
        assert batcher.room == 0
        opened.set()
        await until(lambda: len(broker.completed) == 3)
        await asyncio.gather(first.scores(), others.scores())
    for each in rollouts(3):
        assert [each.id] in scorer.batches


async def test_a_last_try_begins_only_when_the_result_of_the_one_before_is_saved() -> None:
    broker = MemoryBroker()
    scorer = MarkedScorer()
    broker.may_complete.clear()
    broker.put(rollouts(3), abandoned=True)
    async with door_of(broker, scorer, max_attempts=2):
        await until(lambda: len(scorer.batches) == 1)
        await asyncio.sleep(0.2)
        assert len(scorer.batches) == 1
        assert sum(broker.tries.values()) == 1
        broker.may_complete.set()
        await until(lambda: len(broker.completed) == 3)
    assert len(scorer.batches) == 3


async def test_a_rollout_whose_processes_all_died_is_given_up_without_another_try() -> None:
    broker = MemoryBroker()
    scorer = MarkedScorer()
    broker.put([rollout(0)], abandoned=True)
    broker.tries[broker.abandoned[0].id] = 2
    async with door_of(broker, scorer, max_attempts=3):
        await until(lambda: len(broker.completed) == 1)
    (letter,) = broker.dead_letters()
    assert (letter.error.code, letter.attempts) == ("attempts_exhausted", 3)
    assert scorer.batches == []


async def test_failures_are_tried_again_as_often_as_allowed_and_only_where_that_can_help() -> None:
    broker = MemoryBroker()
    scorer = MarkedScorer()
    broker.put([rollout(0, FAILS), rollout(1, FAILS_FOR_GOOD), rollout(2)])
    async with door_of(broker, scorer, max_attempts=3):
        await until(lambda: len(broker.completed) == 3)
    begun = [id_ for batch in scorer.batches for id_ in batch]
    assert [begun.count(rollout(number).id) for number in range(3)] == [3, 1, 1]
    attempts = {letter.error.code: letter.attempts for letter in broker.dead_letters()}
    assert attempts == {"judge_unsure": 3, "refused": 1}
    error = broker.score_of(rollout(0)).error
    assert error is not None
    assert not error.retryable


async def test_what_all_tries_of_a_rollout_cost_is_told_also_where_it_is_given_up() -> None:
    class DearScorer(MarkedScorer):
        async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> Sequence[Outcome]:
            self._note(rollouts)
            paid = Usage(prompt_tokens=40, completion_tokens=3)
            tried = sum(rollout.id in batch for batch in self.batches for rollout in rollouts)
            if rollouts[0].completion == COMPLETIONS[0] and tried == 2:
                return [Scored(reward=1.0, usage=Usage(prompt_tokens=1, completion_tokens=1))]
            return [ScoringFailed("截断", code="llm_truncated", usage=paid, details={"try": tried})]

    broker = MemoryBroker()
    given_up, helped = rollout(1), rollout(0)
    broker.put([given_up, helped])
    async with door_of(broker, DearScorer(), max_attempts=3, max_batch_rollouts=1):
        await until(lambda: len(broker.completed) == 2)
    assert broker.score_of(given_up).usage == Usage(prompt_tokens=120, completion_tokens=9)
    assert broker.score_of(given_up).details == {"try": 3}
    assert broker.score_of(helped).usage == Usage(prompt_tokens=41, completion_tokens=4)


@pytest.mark.parametrize("deadline", [b"", b"soon", b"-1", "٣".encode(), b"9" * 5000])
def test_a_deadline_that_cannot_be_read_has_passed(deadline: bytes) -> None:
    assert _entry(b"1-0", {b"deadline": deadline, b"data": b"{}"}, 5000).left_ms == -5000


def test_the_keys_of_a_reward_share_one_hash_tag() -> None:
    keys = QueueKeys("judge")
    for key in (keys.rollouts, keys.dead, keys.repetitions, keys.info, keys.results("r"), keys.enqueued("r")):
        assert key.startswith("zhufu:{judge}:")
