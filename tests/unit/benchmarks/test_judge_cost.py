"""Groups of rollouts, and counting what they cost."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from benchmarks.judge_cost import (
    GROUP,
    MEASURES,
    Counts,
    Verdicts,
    cost_of,
    counts_of,
    make_groups,
    make_singles,
    reference_request,
    section,
)
from benchmarks.processes import BenchmarkFailed
from services.judge.principles import find_principles
from shared.schemas import Rollout
from trainer.data.starter import load_starter


class CountedLlm:
    """A way of judging that pays 100 prompt tokens a rollout, of which 80 are kept after the first, once each."""

    def __init__(self, *, keeps: bool = True, fails: Sequence[str] = ()) -> None:
        self._keeps = keeps
        self._fails = fails
        self._known: set[str] = set()
        self._requests = self._cached = 0

    async def ask(self, rollouts: Sequence[Rollout]) -> Verdicts:
        for rollout in rollouts:
            if not (self._keeps and rollout.id in self._known):
                self._cached += 80 if self._requests else 0
                self._requests += 1
                self._known.add(rollout.id)
        return {rollout.id: "llm_truncated" if rollout.id in self._fails else None for rollout in rollouts}

    async def meter(self) -> Counts:
        return Counts(
            requests=self._requests,
            prompt_tokens=100 * self._requests,
            cached_prompt_tokens=self._cached,
            completion_tokens=self._requests,
        )


def silent() -> Console:
    return Console(file=io.StringIO())


def test_a_group_is_of_one_prompt_and_of_texts_that_differ() -> None:
    groups = make_groups(load_starter("test"), 3)
    assert [len(group) for group in groups] == [GROUP] * 3
    assert all(len({rollout.prompt for rollout in group}) == 1 for group in groups)
    assert len({rollout.completion for group in groups for rollout in group}) == 3 * GROUP
    assert len({rollout.id for group in groups for rollout in group}) == 3 * GROUP
    with pytest.raises(BenchmarkFailed, match="make 24 groups"):
        make_groups(load_starter("test"), 25)


def test_rollouts_by_themselves_stand_in_no_group() -> None:
    singles = make_singles(load_starter("validation"), 20)
    grouped = {rollout.completion for group in make_groups(load_starter("test"), 24) for rollout in group}
    assert not grouped & {rollout.completion for rollout in singles}
    with pytest.raises(BenchmarkFailed, match="96"):
        make_singles(load_starter("validation"), 97)


def test_the_reference_prompt_begins_with_what_is_judged() -> None:
    principles = find_principles("greetings-v1")
    rollout = make_singles(load_starter("validation"), 1)[0]
    request = reference_request(principles, rollout)
    assert request.prompt.startswith(f"请求：{rollout.prompt}\n祝福语：{rollout.completion}\n\n")
    assert all(rule in request.prompt for rule in principles.rules)
    assert request.json_schema is not None


def test_counts_come_from_the_metrics_of_the_llm() -> None:
    found = {
        ("zhufu_llm_requests_total", "ok"): 5.0,
        ("zhufu_llm_requests_total", "llm_timeout"): 1.0,
        ("zhufu_llm_tokens_total", "prompt"): 900.0,
        ("zhufu_llm_tokens_total", "cached_prompt"): 800.0,
        ("zhufu_llm_tokens_total", "completion"): 6.0,
        ("zhufu_llm_tokens_created", "prompt"): 1.0e9,
    }
    counts = counts_of(found)
    assert counts == Counts(requests=6, prompt_tokens=900, cached_prompt_tokens=800, completion_tokens=6)
    assert counts.computed_tokens == 100
    assert counts_of({}) == counts - counts


async def test_the_beginning_is_paid_by_the_first_group_and_a_second_pass_by_nobody() -> None:
    llm = CountedLlm()
    groups = make_groups(load_starter("test"), 2)
    singles = make_singles(load_starter("validation"), 3)
    cost = await cost_of("kept", llm.ask, llm.meter, groups, singles, console=silent(), keeps=True)
    assert cost.total.requests == cost.verdicts == 2 * GROUP
    assert cost.computed_per_verdict == (100 + 15 * 20) / 16
    assert cost.warm_computed_per_verdict == 20
    assert len(cost.single_seconds) == 3
    assert cost.again is not None
    assert cost.again.requests == 0
    assert cost.failures == {}


async def test_what_is_not_kept_shows_in_the_second_pass() -> None:
    llm = CountedLlm(keeps=False)
    groups = make_groups(load_starter("test"), 1)
    cost = await cost_of("paid again", llm.ask, llm.meter, groups, [], console=silent(), keeps=True)
    assert cost.again is not None
    assert cost.again.requests == GROUP
    assert cost.warm_computed_per_verdict is None


async def test_failures_are_counted_and_not_asked_about_again() -> None:
    llm = CountedLlm(keeps=False, fails=["g0-0", "s0"])
    groups, singles = make_groups(load_starter("test"), 1), make_singles(load_starter("validation"), 1)
    cost = await cost_of("some fail", llm.ask, llm.meter, groups, singles, console=silent(), keeps=True)
    assert cost.failures == {"llm_truncated": 2}
    assert cost.again is not None
    assert cost.again.requests == GROUP - 1
    table = section([cost], 1, 1)
    assert "Not scored by 'some fail': 2 x llm_truncated." in table.text
    assert [row[0] for row in table.rows] == list(MEASURES)
    llm = CountedLlm(fails=[rollout.id for rollout in groups[0]])
    with pytest.raises(BenchmarkFailed, match="8 x llm_truncated"):
        await cost_of("all fail", llm.ask, llm.meter, groups, singles, console=silent(), keeps=True)
