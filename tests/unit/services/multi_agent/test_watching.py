from __future__ import annotations

import asyncio
import time

import pytest

from services.multi_agent.evaluation import Record, Step
from services.multi_agent.watching import StepEvent, Watch, WatchedRollout
from shared.llm.chat import LlmUsage
from shared.schemas import Rollout, ScoreRequest


def step(**changes: object) -> Step:
    values = {"step": "judge", "round": 1, "prompt_version": "judge#1", "question": "祝福语：…", **changes}
    return Step(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (step(), {"state": "asked", "step": "judge", "round": 1}),
        (
            step(
                answer={"reason": "好", "verdict": 1},
                usage=LlmUsage(prompt_tokens=40, completion_tokens=3, cached_prompt_tokens=0),
            ),
            {
                "state": "answered",
                "step": "judge",
                "round": 1,
                "answer": {"reason": "好", "verdict": 1},
                "tokens": {"prompt": 40, "completion": 3},
            },
        ),
        (
            step(error="judge_llm_timeout"),
            {"state": "failed", "step": "judge", "round": 1, "error": "judge_llm_timeout"},
        ),
        (
            step(step="retrieval", round=0, answer=[]),
            {"state": "answered", "step": "retrieval", "round": 0, "answer": []},
        ),
        (
            step(answer={}, notes=["override", "reevaluation_bound"]),
            {"state": "answered", "step": "judge", "round": 1, "answer": {}, "note": "override, reevaluation_bound"},
        ),
    ],
)
def test_a_step_is_told_as_it_is_without_the_question(made: Step, told: dict[str, object]) -> None:
    assert StepEvent.of(made).model_dump(exclude_none=True) == told


async def test_what_is_told_comes_in_order_and_ends() -> None:
    watch = Watch()
    record = Record(tell=watch.tell)
    for number in (1, 2, 3):
        record.begin(step(round=number))
    record.steps[0].error = "judge_llm_timeout"
    record.tell(record.steps[0])
    watch.end()
    told = [(event.round, event.state) async for event in watch.events(60) if event is not None]
    assert told == [(1, "asked"), (2, "asked"), (3, "asked"), (1, "failed")]


async def test_a_silence_is_broken_and_nothing_is_lost_by_it() -> None:
    watch = Watch()
    events = watch.events(0.02)
    assert [await anext(events), await anext(events)] == [None, None]
    watch.tell(step())
    event = await anext(events)
    while event is None:
        event = await anext(events)
    assert event.step == "judge"


async def evaluated(watch: Watch) -> None:
    """Something that takes its time."""
    async with asyncio.timeout(60) as limit:
        with watch.within(limit):
            await asyncio.sleep(30)


async def test_an_evaluation_that_nobody_watches_any_more_ends_at_once() -> None:
    watch = Watch()
    begun = time.monotonic()
    asyncio.get_running_loop().call_later(0.05, watch.leave)
    with pytest.raises(TimeoutError):
        await evaluated(watch)
    assert time.monotonic() - begun < 10


async def test_one_that_begins_after_everybody_left_ends_at_its_first_wait() -> None:
    watch = Watch()
    watch.leave()
    with pytest.raises(TimeoutError):
        await evaluated(watch)


async def test_leaving_after_the_end_does_nothing() -> None:
    watch = Watch()
    async with asyncio.timeout(0.01) as limit:
        with watch.within(limit):
            pass
        watch.leave()
        await asyncio.sleep(0)
    watch.leave()


def test_a_watched_rollout_goes_the_way_of_all_rollouts_and_is_sent_on_as_one() -> None:
    plain = Rollout(id="1", prompt="贺", completion="福")
    watched = WatchedRollout.model_validate(plain.model_dump())
    request = ScoreRequest(rollouts=[watched])
    assert request.rollouts[0] is watched, "its watch comes along"
    assert request.rollouts[0].model_dump_json() == plain.model_dump_json()
    assert WatchedRollout.model_validate(plain.model_dump()).watch is not watched.watch
