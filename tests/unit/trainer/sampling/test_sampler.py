"""Asking for all prompts: bounded, in order, stopped by the right things, and with no task left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from shared.client import RewardClient
from shared.errors import RewardRejected, RewardUnavailable
from shared.schemas import RewardInfo, Rollout, Score
from tests.support.waiting import until
from tests.unit.trainer.sampling.made import HEADER, failed, sample, sampled, score
from trainer.sampling.journal import Journal
from trainer.sampling.outcome import Outcome
from trainer.sampling.prompts import Prompt
from trainer.sampling.request import SampleRequest
from trainer.sampling.sampler import Ending, Limits, Sampler

PROMPTS = [Prompt(row, f"给第{row}位") for row in range(1, 9)]


class Client(RewardClient):
    """Answers a sample, or raises what a test put in for a prompt; waits where it is told to."""

    def __init__(self) -> None:
        self.raises: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.options: list[Mapping[str, JsonValue] | None] = []
        self.cancelled: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.under_way = self.most = 0

    async def score(
        self,
        rollouts: Sequence[Rollout],
        options: Mapping[str, JsonValue] | None = None,
        *,
        request_id: str | None = None,
    ) -> list[Score]:
        (rollout,) = rollouts
        assert rollout.completion == ""
        self.asked.append(rollout.id)
        self.options.append(options)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            if rollout.id in self.raises:
                raise self.raises[rollout.id]
            return [score({"sample": sample()}, rollout=rollout.id)]
        except asyncio.CancelledError:
            self.cancelled.append(rollout.id)
            raise
        finally:
            self.under_way -= 1

    async def info(self) -> RewardInfo:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


class Seen:
    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def on_outcome(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@pytest.fixture
async def client() -> Client:
    return Client()


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal.open(tmp_path / "pairs.journal", HEADER, resume=False)
    yield journal
    journal.close()


def sampler_of(client: Client, journal: Journal, **changes: Any) -> Sampler:
    limits = {"concurrency": 3, "timeout_seconds": 900.0, "max_tokens": None, "max_failures_in_a_row": 50, **changes}
    request = SampleRequest(candidates=4, without=("reflect", "judge", "reflect"), temperature=0.5)
    return Sampler(PROMPTS, request, client, journal, Limits(**limits), Seen(), through_queue=False, retry_failed=True)


async def test_all_prompts_are_asked_once_in_order_within_the_bound(client: Client, journal: Journal) -> None:
    assert await sampler_of(client, journal).run() is Ending.COMPLETE
    assert client.asked == [prompt.id for prompt in PROMPTS]
    assert client.most == 3
    assert sorted(journal.entries) == list(range(8))
    assert client.options[0] == {
        "task": "sample",
        "candidates": 4,
        "pair_by": "verdict",
        "length": "prefer",
        "seed": 0,
        "temperature": 0.5,
        "without": ["judge", "reflect"],
    }


async def test_an_outage_is_a_failure_of_the_prompts_it_met(client: Client, journal: Journal) -> None:
    client.raises = {"row-3": RewardUnavailable("away")}
    assert await sampler_of(client, journal).run() is Ending.COMPLETE
    failure = journal.entries[2].failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("reward_unavailable", True)
    client.raises = {}
    client.asked.clear()
    assert await sampler_of(client, journal).run() is Ending.COMPLETE
    assert client.asked == ["row-3"]


async def test_a_prompt_that_is_too_large_for_the_door_does_not_end_the_run(client: Client, journal: Journal) -> None:
    client.raises = {"row-3": RewardRejected("too many bytes", 413)}
    assert await sampler_of(client, journal).run() is Ending.COMPLETE
    failure = journal.entries[2].failure
    assert failure is not None
    assert (failure.code, failure.retryable) == ("reward_rejected", False)


async def test_a_refusal_ends_the_run_and_leaves_no_task(client: Client, journal: Journal) -> None:
    client.raises = {"row-5": RewardRejected("wrong key", 401)}
    with pytest.raises(RewardRejected):
        await sampler_of(client, journal).run()
    assert 4 not in journal.entries
    assert {0, 1, 2, 3} <= set(journal.entries)
    assert client.under_way == 0
    assert "row-8" not in client.asked


async def test_a_bug_ends_the_run_and_leaves_no_task(client: Client, journal: Journal) -> None:
    client.raises = {"row-4": ZeroDivisionError()}
    with pytest.raises(ZeroDivisionError):
        await sampler_of(client, journal).run()
    assert client.under_way == 0


async def test_failures_in_a_row_stop_the_run(client: Client, journal: Journal) -> None:
    client.raises = {f"row-{row}": RewardUnavailable("away") for row in (2, 4, 5)}
    sampler = sampler_of(client, journal, concurrency=1, max_failures_in_a_row=2)
    assert await sampler.run() is Ending.FAILURES
    assert client.asked == [f"row-{row}" for row in range(1, 6)]


async def test_stopping_waits_for_what_is_under_way(client: Client, journal: Journal) -> None:
    client.gate.clear()
    sampler = sampler_of(client, journal)
    running = asyncio.create_task(sampler.run())
    await asyncio.sleep(0.01)
    assert sampler.under_way == 3
    sampler.stop()
    client.gate.set()
    assert await running is Ending.INTERRUPTED
    assert sorted(journal.entries) == [0, 1, 2]


async def test_stopping_twice_leaves_what_is_under_way(client: Client, journal: Journal) -> None:
    client.gate.clear()
    sampler = sampler_of(client, journal)
    running = asyncio.create_task(sampler.run())
    await asyncio.sleep(0.01)
    sampler.stop()
    sampler.stop()
    assert await running is Ending.INTERRUPTED
    assert client.cancelled == ["row-1", "row-2", "row-3"]
    assert journal.entries == {}


async def test_a_stop_after_the_last_prompt_is_no_interruption(client: Client, journal: Journal) -> None:
    sampler = sampler_of(client, journal, concurrency=8)
    running = asyncio.create_task(sampler.run())
    await until(lambda: len(client.asked) == len(PROMPTS))
    sampler.stop()
    assert await running is Ending.COMPLETE


async def test_a_ceiling_lets_one_prompt_tell_the_price(client: Client, journal: Journal) -> None:
    client.gate.clear()
    sampler = sampler_of(client, journal, max_tokens=42 * 6)
    running = asyncio.create_task(sampler.run())
    await asyncio.sleep(0.01)
    assert sampler.under_way == 1
    client.gate.set()
    assert await running is Ending.CEILING
    assert len(client.asked) == 6
    assert client.most == 3


async def test_a_ceiling_counts_what_earlier_runs_paid(client: Client, journal: Journal) -> None:
    await sampler_of(client, journal, max_tokens=42 * 2).run()
    assert await sampler_of(client, journal, max_tokens=42 * 3).run() is Ending.CEILING
    assert client.asked == ["row-1", "row-2", "row-3"]


async def test_new_prompts_come_before_those_that_failed(client: Client, journal: Journal) -> None:
    journal.append([(0, "row-1", failed()), (1, "row-2", failed(retryable=False)), (2, "row-3", sampled())])
    assert await sampler_of(client, journal, concurrency=1).run() is Ending.COMPLETE
    assert client.asked == [*(f"row-{row}" for row in range(4, 9)), "row-1"]
