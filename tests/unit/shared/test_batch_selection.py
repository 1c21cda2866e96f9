"""`nearest_in_length`: which of the pending rollouts make the next batch."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.admission import Admission, Work
from shared.batch_selection import BatchLimits, nearest_in_length
from tests.support.greetings import rollout

costs_lists = st.lists(st.integers(1, 600), min_size=1, max_size=80)
limits_kinds = st.builds(
    BatchLimits,
    max_pending=st.just(1000),
    max_batch_rollouts=st.integers(1, 20),
    max_batch_tokens=st.integers(1, 3000),
    max_padding_share=st.floats(0, 0.9),
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def window_of(costs: list[int], loop: asyncio.AbstractEventLoop) -> list[Work]:
    async def made() -> list[Work]:
        admission = Admission({}, {}, expires_at=1.0)
        return [
            Work(rollout=rollout(number), cost=cost, admission=admission, place=number, number=number)
            for number, cost in enumerate(costs)
        ]

    return loop.run_until_complete(made())


@given(costs=costs_lists, limits=limits_kinds)
def test_the_oldest_is_in_every_batch_and_nothing_twice(
    loop: asyncio.AbstractEventLoop, costs: list[int], limits: BatchLimits
) -> None:
    chosen = nearest_in_length(window_of(costs, loop), limits)
    numbers = [work.number for work in chosen]
    assert 0 in numbers
    assert len(set(numbers)) == len(numbers)


@given(costs=costs_lists, limits=limits_kinds)
def test_a_batch_of_several_keeps_all_limits(
    loop: asyncio.AbstractEventLoop, costs: list[int], limits: BatchLimits
) -> None:
    chosen = nearest_in_length(window_of(costs, loop), limits)
    assert len(chosen) <= limits.max_batch_rollouts
    if len(chosen) > 1:
        padded = len(chosen) * max(work.cost for work in chosen)
        padding = padded - sum(work.cost for work in chosen)
        assert padded <= limits.max_batch_tokens
        assert padding <= limits.max_padding_share * padded + 1e-6


@given(costs=costs_lists, limits=limits_kinds)
def test_a_batch_has_no_gap_nobody_left_out_is_nearer_than_both_ends(
    loop: asyncio.AbstractEventLoop, costs: list[int], limits: BatchLimits
) -> None:
    window = window_of(costs, loop)
    chosen = nearest_in_length(window, limits)
    inside = {work.number for work in chosen}
    low, high = min(work.cost for work in chosen), max(work.cost for work in chosen)
    assert not [work for work in window if low < work.cost < high and work.number not in inside]


@given(costs=costs_lists, limits=limits_kinds)
def test_the_oldest_never_starves_every_batch_takes_it_so_all_have_their_turn(
    loop: asyncio.AbstractEventLoop, costs: list[int], limits: BatchLimits
) -> None:
    waiting = window_of(costs, loop)
    taken: list[int] = []
    rounds = 0
    while waiting:
        oldest = waiting[0].number
        chosen = {work.number for work in nearest_in_length(waiting, limits)}
        assert oldest in chosen
        waiting = [work for work in waiting if work.number not in chosen]
        taken += chosen
        rounds += 1
    assert sorted(taken) == list(range(len(costs)))
    assert rounds <= len(costs)


def test_equal_lengths_fill_a_batch_up(loop: asyncio.AbstractEventLoop) -> None:
    limits = BatchLimits(max_pending=100, max_batch_rollouts=8, max_batch_tokens=10_000)
    assert len(nearest_in_length(window_of([20] * 30, loop), limits)) == 8


def test_far_lengths_are_left_for_a_batch_of_their_own(loop: asyncio.AbstractEventLoop) -> None:
    limits = BatchLimits(max_pending=100, max_batch_rollouts=8, max_batch_tokens=10_000, max_padding_share=0.15)
    costs = [20, 512, 21, 500, 19, 505]
    assert {work.number for work in nearest_in_length(window_of(costs, loop), limits)} == {0, 2, 4}


def test_an_oversized_rollout_is_taken_alone_rather_than_never(loop: asyncio.AbstractEventLoop) -> None:
    limits = BatchLimits(max_pending=100, max_batch_rollouts=8, max_batch_tokens=100)
    assert [work.number for work in nearest_in_length(window_of([400, 10, 400], loop), limits)] == [0]


def test_batches_of_mixed_lengths_carry_little_padding(loop: asyncio.AbstractEventLoop) -> None:
    source = random.Random(5)
    limits = BatchLimits(max_pending=1000, max_batch_rollouts=32, max_batch_tokens=8192, max_padding_share=0.15)
    waiting = window_of([source.randint(16, 256) for _ in range(600)], loop)
    sizes: list[int] = []
    while waiting:
        batch = nearest_in_length(waiting, limits)
        sizes.append(len(batch))
        chosen = {work.number for work in batch}
        waiting = [work for work in waiting if work.number not in chosen]
    assert sum(sizes) / len(sizes) > 12
