"""The models that are asked: what asking cost, and how many must answer."""

from __future__ import annotations

from typing import Any

import pytest

from services.judge.panel import check_panel
from shared.errors import NotReady
from shared.llm.cached import Bill
from shared.llm.chat import ChatRequest, Message
from shared.llm.errors import LlmFailed
from shared.schemas import Usage
from tests.unit.services.judge.made import answer, panelist

REQUEST = ChatRequest(messages=(Message(role="user", content="好不好"),), max_tokens=1)


async def test_an_answer_that_was_asked_is_on_the_bill() -> None:
    bill = Bill()
    for _ in range(2):
        await panelist(answer("好")).ask(REQUEST, "", bill)
    assert bill.usage() == Usage(prompt_tokens=80, completion_tokens=6)
    assert not bill.cached


@pytest.mark.parametrize("usage", [None, Usage(prompt_tokens=7, completion_tokens=1)])
async def test_a_failure_is_on_the_bill_with_what_it_cost(usage: Usage | None) -> None:
    bill = Bill()
    with pytest.raises(LlmFailed):
        await panelist(LlmFailed("拒绝", code="llm_refused", usage=usage)).ask(REQUEST, "", bill)
    assert bill.usage() == (usage or Usage())
    assert not bill.cached


def test_a_bill_is_of_cached_answers_where_there_were_answers_and_none_was_asked() -> None:
    assert not Bill().cached
    assert Bill(answers=2).cached
    assert not Bill(answers=2, asked=1).cached


WELL, AWAY = answer("好"), NotReady("away")


@pytest.mark.parametrize(
    ("outcomes", "needed", "ready"),
    [
        ([WELL], 1, True),
        ([AWAY], 1, False),
        ([WELL, AWAY], 2, False),
        ([WELL, AWAY], 1, True),
        ([AWAY, AWAY, WELL], 2, False),
    ],
)
async def test_a_panel_is_ready_where_enough_of_it_is(outcomes: list[Any], needed: int, ready: bool) -> None:
    panel = [panelist(outcome) for outcome in outcomes]
    if ready:
        await check_panel(panel, needed)
    else:
        with pytest.raises(NotReady):
            await check_panel(panel, needed)


async def test_a_bug_in_a_check_is_not_taken_for_an_outage() -> None:
    with pytest.raises(RuntimeError):
        await check_panel([panelist(AWAY), panelist(RuntimeError("bug"))], 1)
