from __future__ import annotations

import asyncio

import pytest

from trainer.judge_optimizer.budget import Budget, Spent
from trainer.judge_optimizer.errors import CeilingReached


async def test_calls_side_by_side_do_not_break_the_ceiling() -> None:
    budget = Budget(Spent(calls=3), max_calls=5, max_tokens=None)
    await budget.reserve(10)
    await budget.reserve(10)

    with pytest.raises(CeilingReached, match="the ceiling is 5"):
        await budget.reserve(10)


async def test_once_reached_a_ceiling_stops_all_that_follow() -> None:
    budget = Budget(Spent(prompt_tokens=95), max_calls=None, max_tokens=100)
    with pytest.raises(CeilingReached):
        await budget.reserve(10)
    with pytest.raises(CeilingReached):
        await budget.reserve(1)


async def test_a_call_waits_for_what_others_will_really_cost() -> None:
    budget = Budget(Spent(), max_calls=None, max_tokens=100)
    await budget.reserve(80)
    waiting = asyncio.create_task(budget.reserve(80))
    await asyncio.sleep(0.01)
    assert not waiting.done()

    await budget.settle(80, Spent(calls=1, prompt_tokens=15, completion_tokens=5))
    await waiting
    assert budget.spent.tokens == 20


async def test_who_waits_learns_that_there_is_no_room_after_all() -> None:
    budget = Budget(Spent(), max_calls=None, max_tokens=100)
    await budget.reserve(80)
    waiting = [asyncio.create_task(budget.reserve(80)) for _ in range(2)]
    await asyncio.sleep(0.01)
    await budget.settle(80, Spent(calls=1, prompt_tokens=70))

    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, CeilingReached) for result in results)


async def test_without_ceilings_there_is_always_room() -> None:
    budget = Budget(Spent(calls=10**9, prompt_tokens=10**12), max_calls=None, max_tokens=None)
    for _ in range(100):
        await budget.reserve(10**6)
