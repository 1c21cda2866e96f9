"""`MicroBatcher`: every admitted rollout gets exactly one outcome, whatever the scorer does."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import JsonValue

from shared.batch_selection import BatchLimits
from shared.batching import MicroBatcher
from shared.errors import NotReady, Overloaded, ScoringFailed, ShuttingDown
from shared.metrics import ServiceMetrics
from shared.schemas import Rollout, Score, Usage
from shared.scorer import Outcome, Scored
from tests.support.greetings import rollout, rollouts
from tests.support.scorers import (
    FAILS,
    FAILS_FOR_GOOD,
    NOT_A_NUMBER,
    RAISES,
    TOO_LONG,
    MarkedScorer,
    reward_of,
)
from tests.support.waiting import GENEROUS_SECONDS, until


class ScoreStep(Protocol):
    def __call__(self, rollouts: Sequence[Rollout]) -> Awaitable[Any]: ...


class ScriptedScorer(MarkedScorer):
    """A scorer whose `score` is one function of the test."""

    def __init__(self, step: ScoreStep) -> None:
        super().__init__()
        self._step = step

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> Sequence[Outcome]:
        self._note(rollouts)
        answer: Sequence[Outcome] = await self._step(rollouts)
        return answer


def batcher_of(scorer: MarkedScorer, metrics: ServiceMetrics | None = None, **limits: Any) -> MicroBatcher:
    chosen = {"max_pending": 1000, "max_batch_rollouts": 16, "max_batch_tokens": 100_000, "max_padding_share": 0.9}
    return MicroBatcher(
        scorer, BatchLimits(**{**chosen, **limits}), metrics or ServiceMetrics(scorer.name, CollectorRegistry())
    )


@contextlib.asynccontextmanager
async def running(scorer: MarkedScorer, **limits: Any) -> AsyncIterator[MicroBatcher]:
    batcher = batcher_of(scorer, **limits)
    batcher.start()
    try:
        yield batcher
    finally:
        await batcher.drain(0.0)


def soon() -> float:
    return time.monotonic() + GENEROUS_SECONDS


async def outcomes(batcher: MicroBatcher, asked: Sequence[Rollout], *, alone: bool = False) -> list[Score]:
    async with asyncio.timeout(GENEROUS_SECONDS):
        return await batcher.admit(asked, {}, expires_at=soon(), alone=alone).scores()


def codes(scores: Sequence[Score]) -> list[str]:
    return [score.error.code if score.error else score.status for score in scores]


class Gate:
    """A scoring step that waits until the test opens it."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.entered = asyncio.Event()

    async def __call__(self, rollouts: Sequence[Rollout]) -> list[Outcome]:
        self.entered.set()
        await self.opened.wait()
        return [Scored(reward=reward_of(each)) for each in rollouts]


async def test_a_failed_score_reports_the_tokens_that_the_failure_cost() -> None:
    paid = Usage(prompt_tokens=40, completion_tokens=3)

    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        return [ScoringFailed("截断", code="llm_truncated", usage=paid), ScoringFailed("超时", code="llm_timeout")]

    async with running(ScriptedScorer(step)) as batcher:
        scores = await outcomes(batcher, rollouts(2))
    assert {score.error.code: score.usage for score in scores if score.error} == {
        "llm_truncated": paid,
        "llm_timeout": None,
    }
    assert [score.reward for score in scores] == [None, None]


async def test_what_a_scorer_tells_besides_is_in_the_score_also_of_a_failure() -> None:
    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        told: list[Outcome] = [
            Scored(reward=1.0, details={"transcript": [{"verdict": 1}]}),
            ScoringFailed("截断", code="llm_truncated", details={"transcript": []}),
            ScoringFailed("截断", code="llm_truncated", details={"surprise": float("nan")}),
        ]
        return [told[asked.index(each)] for each in rollouts]

    asked = rollouts(3)
    async with running(ScriptedScorer(step)) as batcher:
        scores = await outcomes(batcher, asked)
    assert [score.details for score in scores] == [{"transcript": [{"verdict": 1}]}, {"transcript": []}, None]
    assert codes(scores[1:]) == ["llm_truncated"] * 2


async def test_what_a_failed_batch_cost_is_reported_once() -> None:
    paid = Usage(prompt_tokens=40, completion_tokens=3)

    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        raise ScoringFailed("截断", code="llm_truncated", usage=paid)

    async with running(ScriptedScorer(step)) as batcher:
        scores = await outcomes(batcher, rollouts(3))
    assert codes(scores) == ["llm_truncated"] * 3
    assert [score.usage for score in scores if score.usage is not None] == [paid]


async def test_scores_come_back_in_the_order_of_the_rollouts() -> None:
    asked = [rollout(number, repeat=1 + number % 7) for number in range(100)]
    async with running(MarkedScorer()) as batcher:
        scores = await outcomes(batcher, asked)
    assert [score.id for score in scores] == [each.id for each in asked]
    assert [score.reward for score in scores] == [reward_of(each) for each in asked]
    assert {score.version for score in scores} == {"greetings@test-1"}


async def test_rollouts_of_many_callers_share_batches_while_the_scorer_is_busy() -> None:
    scorer = MarkedScorer(seconds_per_batch=0.02)
    async with running(scorer) as batcher:
        answered = await asyncio.gather(*(outcomes(batcher, [rollout(number)]) for number in range(64)))
    assert [scores[0].id for scores in answered] == [rollout(number).id for number in range(64)]
    assert len(scorer.batches) < 16


async def test_only_rollouts_with_the_same_options_share_a_batch() -> None:
    gate = Gate()
    seen: list[tuple[int, Mapping[str, JsonValue]]] = []

    class Looking(MarkedScorer):
        async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> Sequence[Outcome]:
            seen.append((len(rollouts), options))
            return await gate(rollouts)

    async with running(Looking()) as batcher:
        first = batcher.admit([rollout(0)], {}, expires_at=soon())
        await gate.entered.wait()
        polite = batcher.admit(rollouts(3, first=1), {"mode": "polite"}, expires_at=soon())
        plain = batcher.admit(rollouts(2, first=4), {"mode": "plain"}, expires_at=soon())
        again = batcher.admit(rollouts(2, first=6), {"mode": "polite"}, expires_at=soon())
        gate.opened.set()
        await asyncio.gather(*(each.scores() for each in (first, polite, plain, again)))
    assert seen == [(1, {}), (5, {"mode": "polite"}), (2, {"mode": "plain"})]


async def test_a_request_is_admitted_whole_or_not_at_all() -> None:
    gate = Gate()
    async with running(ScriptedScorer(gate), max_pending=10) as batcher:
        first = batcher.admit([rollout(0)], {}, expires_at=soon())
        await gate.entered.wait()
        taken = batcher.admit(rollouts(7, first=1), {}, expires_at=soon())
        assert batcher.room == 3
        with pytest.raises(Overloaded, match="3 of 10"):
            batcher.admit(rollouts(4, first=20), {}, expires_at=soon())
        assert batcher.room == 3
        assert batcher.unresolved == 8
        last = batcher.admit(rollouts(3, first=30), {}, expires_at=soon())
        assert batcher.room == 0
        gate.opened.set()
        scores = await asyncio.gather(*(each.scores() for each in (first, taken, last)))
        assert codes(list(itertools.chain(*scores))) == ["scored"] * 11
        assert batcher.unresolved == 0


async def test_a_rollout_whose_deadline_passed_is_expired_and_not_scored() -> None:
    gate = Gate()
    scorer = ScriptedScorer(gate)
    async with running(scorer) as batcher:
        first = batcher.admit([rollout(0)], {}, expires_at=soon())
        await gate.entered.wait()
        late = batcher.admit([rollout(1)], {}, expires_at=time.monotonic() + 0.01)
        intime = batcher.admit([rollout(2)], {}, expires_at=soon())
        await asyncio.sleep(0.02)
        gate.opened.set()
        (score,) = await late.scores()
        await asyncio.gather(first.scores(), intime.scores())
    assert score.status == "expired"
    assert score.error is not None
    assert score.error.code == "deadline_expired"
    assert scorer.batches == [[rollout(0).id], [rollout(2).id]]


async def test_a_dropped_rollout_is_not_scored_and_gives_its_place_free_at_once() -> None:
    gate = Gate()
    scorer = ScriptedScorer(gate)
    async with running(scorer, max_pending=4) as batcher:
        first = batcher.admit([rollout(0)], {}, expires_at=soon())
        await gate.entered.wait()
        gone = batcher.admit(rollouts(4, first=1), {}, expires_at=soon())
        gone.drop()
        assert batcher.room == 4
        kept = batcher.admit(rollouts(4, first=10), {}, expires_at=soon())
        gate.opened.set()
        await asyncio.gather(first.scores(), kept.scores())
    assert sorted(id_ for batch in scorer.batches for id_ in batch) == sorted(
        each.id for each in [rollout(0), *rollouts(4, first=10)]
    )


async def test_one_of_several_can_be_dropped_and_the_others_are_scored() -> None:
    gate = Gate()
    scorer = ScriptedScorer(gate)
    told: dict[int, Score] = {}
    async with running(scorer) as batcher:
        first = batcher.admit([rollout(0)], {}, expires_at=soon())
        await gate.entered.wait()
        others = batcher.admit(rollouts(3, first=1), {}, expires_at=soon(), on_score=told.__setitem__)
        others.drop([1])
        gate.opened.set()
        await first.scores()
        await until(lambda: len(told) == 2)
        with pytest.raises(asyncio.CancelledError):
            await others.scores()
    assert {place: score.id for place, score in told.items()} == {0: rollout(1).id, 2: rollout(3).id}
    assert (others.done, others.so_far[1]) == (False, None)
    assert [sorted(batch) for batch in scorer.batches] == [[rollout(0).id], [rollout(1).id, rollout(3).id]]


async def test_what_is_dropped_when_all_have_their_scores_changes_nothing() -> None:
    async with running(MarkedScorer()) as batcher:
        admission = batcher.admit(rollouts(2), {}, expires_at=soon())
        await admission.scores()
        admission.drop([1])
        admission.drop()
        assert codes(await admission.scores()) == ["scored"] * 2


async def test_a_receiver_of_scores_that_raises_costs_nobody_a_score() -> None:
    def broken(place: int, score: Score) -> None:
        raise ZeroDivisionError("a bug of the receiver")

    async with running(MarkedScorer()) as batcher:
        admission = batcher.admit(rollouts(3), {}, expires_at=soon(), on_score=broken)
        assert codes(await admission.scores()) == ["scored"] * 3


@settings(max_examples=30)
@given(culprits=st.sets(st.integers(0, 15), max_size=5))
async def test_a_batch_that_raises_is_split_until_only_the_culprits_fail(culprits: set[int]) -> None:
    asked = [rollout(number, RAISES if number in culprits else "") for number in range(16)]
    scorer = MarkedScorer()
    async with running(scorer) as batcher:
        scores = await outcomes(batcher, asked)
    assert codes(scores) == ["scorer_error" if number in culprits else "scored" for number in range(16)]
    assert all(score.error.retryable for score in scores if score.error)
    assert all("a bug" not in score.error.detail for score in scores if score.error)


async def test_an_error_of_ours_raised_for_a_rollout_keeps_its_code() -> None:
    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        raise NotReady("the judge is loading")

    async with running(ScriptedScorer(step)) as batcher:
        (score,) = await outcomes(batcher, [rollout(1)])
    assert score.error is not None
    assert (score.error.code, score.error.retryable) == ("not_ready", True)


async def test_failures_of_single_rollouts_leave_the_others_unharmed() -> None:
    asked = [rollout(0), rollout(1, FAILS), rollout(2, FAILS_FOR_GOOD), rollout(3, NOT_A_NUMBER), rollout(4, TOO_LONG)]
    scorer = MarkedScorer()
    async with running(scorer) as batcher:
        scores = await outcomes(batcher, asked)
    assert codes(scores) == ["scored", "judge_unsure", "refused", "non_finite_reward", "text_too_long"]
    assert [score.error.retryable for score in scores if score.error] == [True, False, False, False]
    assert all(score.reward is None for score in scores[1:])
    assert asked[4].id not in scorer.batches[0]


async def test_a_scoring_failure_raised_for_a_batch_is_that_of_all_in_it() -> None:
    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        raise ScoringFailed("不予评分", code="refused", retryable=False)

    scorer = ScriptedScorer(step)
    async with running(scorer) as batcher:
        assert codes(await outcomes(batcher, rollouts(5))) == ["refused"] * 5
    assert len(scorer.batches) == 1


@pytest.mark.parametrize("missing", [1, -1])
async def test_a_wrong_number_of_outcomes_is_no_score_for_anybody(missing: int) -> None:
    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        return [Scored(reward=1.0)] * (len(rollouts) - missing)

    async with running(ScriptedScorer(step)) as batcher:
        assert codes(await outcomes(batcher, rollouts(4))) == ["scorer_error"] * 4


@pytest.mark.parametrize(
    "outcome",
    [
        None,
        Scored(reward=None),  # type: ignore[arg-type]
        Scored(reward=1.0, verdict=2),  # type: ignore[arg-type]
        Scored(reward=1.0, components={"温度": "高"}),  # type: ignore[dict-item]
        Scored(reward=1.0, reason="\ud83c"),
        Scored(reward=10**400),
    ],
    ids=["none", "no-reward", "verdict-2", "component-text", "lone-surrogate", "too-great"],
)
async def test_an_outcome_that_the_contract_does_not_allow_fails_alone(outcome: Outcome) -> None:
    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        return [outcome if each.id == rollout(2).id else Scored(reward=1.0) for each in rollouts]

    async with running(ScriptedScorer(step)) as batcher:
        scores = await outcomes(batcher, rollouts(4))
    assert codes(scores) == ["scored", "scored", "invalid_outcome", "scored"]
    assert scores[2].error is not None
    assert not scores[2].error.retryable


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_a_reward_or_component_that_is_not_finite_is_a_failure_not_a_number(value: float) -> None:
    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        kinds = {
            rollout(0).id: Scored(reward=value),
            rollout(1).id: Scored(reward=1.0, components={"温度": value}),
            rollout(2).id: Scored(reward=1.0),
        }
        return [kinds[each.id] for each in rollouts]

    async with running(ScriptedScorer(step)) as batcher:
        scores = await outcomes(batcher, rollouts(3))
    assert codes(scores) == ["non_finite_reward", "non_finite_reward", "scored"]


async def test_a_failure_that_quotes_broken_text_still_arrives() -> None:
    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        return [ScoringFailed("the judge answered \ud83c", code="unparsable", retryable=True)]

    async with running(ScriptedScorer(step)) as batcher:
        (score,) = await outcomes(batcher, [rollout(1)])
    assert codes([score]) == ["unparsable"]
    assert score.model_dump_json()


async def test_a_scorer_that_hangs_is_a_retryable_failure_and_the_next_batch_goes_on() -> None:
    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        if rollouts[0].id == rollout(0).id:
            await asyncio.Event().wait()
        return [Scored(reward=1.0) for _ in rollouts]

    async with running(ScriptedScorer(step), score_timeout_seconds=0.05) as batcher:
        (hung,) = await outcomes(batcher, [rollout(0)])
        (fine,) = await outcomes(batcher, [rollout(1)])
    assert hung.error is not None
    assert (hung.error.code, hung.error.retryable) == ("scorer_timeout", True)
    assert fine.status == "scored"


async def test_a_cost_that_raises_fails_its_rollout_and_admits_the_others() -> None:
    class Costly(MarkedScorer):
        def cost(self, rollout: Rollout) -> int:
            if RAISES in rollout.completion:
                raise KeyError("a bug in cost")
            return super().cost(rollout)

    async with running(Costly()) as batcher:
        scores = await outcomes(batcher, [rollout(0), rollout(1, RAISES), rollout(2)])
        assert codes(scores) == ["scored", "scorer_error", "scored"]
        assert batcher.alive


async def test_a_rollout_that_is_to_be_alone_shares_no_batch() -> None:
    gate = Gate()
    scorer = ScriptedScorer(gate)
    async with running(scorer) as batcher:
        first = batcher.admit([rollout(0)], {}, expires_at=soon())
        await gate.entered.wait()
        others = [
            batcher.admit(rollouts(2, first=1), {}, expires_at=soon()),
            batcher.admit(rollouts(2, first=3), {}, expires_at=soon(), alone=True),
            batcher.admit(rollouts(2, first=5), {}, expires_at=soon()),
        ]
        gate.opened.set()
        await asyncio.gather(*(each.scores() for each in (first, *others)))
    ids = [rollout(number).id for number in range(7)]
    begun = [set(batch) for batch in scorer.batches]
    assert begun == [{ids[0]}, {ids[1], ids[2], ids[5], ids[6]}, {ids[3]}, {ids[4]}]


async def test_no_more_batches_run_at_once_than_allowed() -> None:
    now, most = 0, 0

    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1
        return [Scored(reward=1.0) for _ in rollouts]

    async with running(ScriptedScorer(step), max_batch_rollouts=2, max_concurrent_batches=3) as batcher:
        await outcomes(batcher, rollouts(30))
    assert most == 3


async def test_drain_finishes_what_was_admitted_and_takes_nothing_new() -> None:
    scorer = MarkedScorer(seconds_per_batch=0.01)
    batcher = batcher_of(scorer, max_batch_rollouts=4)
    batcher.start()
    admission = batcher.admit(rollouts(20), {}, expires_at=soon())
    draining = asyncio.create_task(batcher.drain(GENEROUS_SECONDS))
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        batcher.admit([rollout(99)], {}, expires_at=soon())
    await draining
    assert admission.done
    assert codes(await admission.scores()) == ["scored"] * 20
    assert batcher.unresolved == 0
    assert not batcher.alive


async def test_a_drain_out_of_time_gives_failures_and_leaves_nobody_waiting() -> None:
    gate = Gate()
    batcher = batcher_of(ScriptedScorer(gate), max_batch_rollouts=4)
    batcher.start()
    admission = batcher.admit(rollouts(20), {}, expires_at=soon())
    await gate.entered.wait()
    await batcher.drain(0.05)
    assert admission.done
    scores = await admission.scores()
    assert codes(scores) == ["shutting_down"] * 20
    assert all(score.error is not None and score.error.retryable for score in scores)


@pytest.mark.parametrize("part", ["queue_wait_seconds", "batch_size", "batch_tokens"])
async def test_everybody_is_told_when_the_loop_dies(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def observe(self, *values: float) -> None:
            raise ZeroDivisionError("a bug in forming")

    scorer = MarkedScorer()
    metrics = ServiceMetrics(scorer.name, CollectorRegistry())
    batcher = batcher_of(scorer, metrics)
    batcher.start()
    assert codes(await outcomes(batcher, [rollout(0)])) == ["scored"]
    monkeypatch.setattr(metrics, part, Broken())
    assert codes(await outcomes(batcher, rollouts(30, first=1))) == ["batcher_died"] * 30
    assert not batcher.alive
    with pytest.raises(ShuttingDown):
        batcher.admit([rollout(99)], {}, expires_at=soon())
    await batcher.drain(1.0)


async def test_a_cancelled_batch_leaves_nobody_waiting() -> None:
    async def step(rollouts: Sequence[Rollout]) -> list[Outcome]:
        raise asyncio.CancelledError

    async with running(ScriptedScorer(step)) as batcher:
        scores = await outcomes(batcher, rollouts(3))
    assert [score.status for score in scores] == ["failed"] * 3


async def test_waits_batch_sizes_and_tokens_are_measured() -> None:
    metrics = ServiceMetrics("greetings", CollectorRegistry())
    batcher = batcher_of(MarkedScorer(), metrics, max_batch_rollouts=5)
    batcher.start()
    await outcomes(batcher, rollouts(10))
    await batcher.drain(1.0)

    def value(name: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"reward": "greetings"})

    assert value("zhufu_queue_wait_seconds_count") == 10
    assert value("zhufu_batch_size_sum") == 10
    assert value("zhufu_batch_size_count") == 2
    assert (value("zhufu_batch_tokens_sum") or 0) >= sum(MarkedScorer().cost(each) for each in rollouts(10))


@settings(max_examples=25)
@given(data=st.data())
async def test_everything_admitted_gets_exactly_one_outcome(data: st.DataObject) -> None:
    markers = st.sampled_from(["", "", "", FAILS, FAILS_FOR_GOOD, RAISES, NOT_A_NUMBER, TOO_LONG])
    requests = data.draw(st.lists(st.lists(markers, min_size=1, max_size=12), min_size=1, max_size=8))
    limits = data.draw(
        st.fixed_dictionaries(
            {
                "max_batch_rollouts": st.integers(1, 9),
                "max_batch_tokens": st.integers(1, 400),
                "max_padding_share": st.floats(0, 0.9),
                "max_concurrent_batches": st.integers(1, 3),
            }
        )
    )
    async with running(MarkedScorer(), **limits) as batcher:
        asked = [
            [rollout(100 * index + number, marker) for number, marker in enumerate(request)]
            for index, request in enumerate(requests)
        ]
        answered = await asyncio.gather(*(outcomes(batcher, each) for each in asked))
        assert batcher.unresolved == 0
    for request, scores in zip(asked, answered, strict=True):
        assert [score.id for score in scores] == [each.id for each in request]
        for each, score in zip(request, scores, strict=True):
            marked = any(
                marker in each.completion for marker in (FAILS, FAILS_FOR_GOOD, RAISES, NOT_A_NUMBER, TOO_LONG)
            )
            assert score.status == ("failed" if marked else "scored")


async def test_what_is_done_is_freed_at_once() -> None:
    """Not only when Python looks for cycles, which a service lets it do seldom."""
    gc.collect()
    gc.disable()
    try:
        async with running(MarkedScorer()) as batcher:
            kept: list[Score] = []
            admission = batcher.admit(rollouts(3), {}, expires_at=soon(), on_score=lambda _, score: kept.append(score))
            freed = weakref.ref(admission)
            await admission.scores()
            del admission
            await until(lambda: freed() is None, "nothing refers to the admission any more")
        assert len(kept) == 3
    finally:
        gc.enable()
