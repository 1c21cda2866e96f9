"""Rounds of judging in several ways, and their ratios."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.bench_judge import REFERENCE, Round, Way, one_round, section
from benchmarks.judge_cost import Counts, Verdicts
from benchmarks.processes import BenchmarkFailed
from shared.schemas import Rollout


def counts(computed: int, written: int = 10) -> Counts:
    return Counts(requests=8, prompt_tokens=1_000 + computed, cached_prompt_tokens=1_000, completion_tokens=written)


def a_round(seconds: float, computed: int, failed: int = 0) -> Round:
    return Round(verdicts=10, failed=failed, seconds=seconds, counts=counts(computed))


def way(code: str | None, total: list[Counts]) -> Way:
    async def ask(rollouts: Sequence[Rollout]) -> Verdicts:
        total.append(counts(100))
        return {rollout.id: code for rollout in rollouts}

    async def meter() -> Counts:
        return total[-1]

    return Way(name="a way", ask=ask, meter=meter)


ROLLOUTS = [Rollout(id=str(number), prompt="贺寿", completion="福") for number in range(2)]


async def test_a_round_counts_what_all_its_groups_took() -> None:
    took = await one_round(way(None, [counts(40, written=4)]), [ROLLOUTS, ROLLOUTS[:1]])
    assert (took.verdicts, took.failed) == (3, 0)
    assert took.counts.computed_tokens == 60
    assert took.counts.completion_tokens == 6
    assert took.seconds > 0


async def test_a_way_that_scores_too_little_has_no_figure() -> None:
    with pytest.raises(BenchmarkFailed, match="a way: 2 of 2 were not scored, the first: llm_truncated"):
        await one_round(way("llm_truncated", [counts(0)]), [ROLLOUTS])


def test_ratios_are_of_all_rounds_together_with_those_of_single_rounds() -> None:
    table = section(
        {"logprob": [a_round(4.0, 600), a_round(2.0, 200, failed=1)], REFERENCE: [a_round(10.0, 1_000)] * 2}, 4, 5
    )
    name, speed, speed_ratio, warm_ratio, computed, token_ratio, warm, written, failed = table.rows[0]
    assert (name, speed, speed_ratio, warm_ratio) == ("logprob", "3.33", "3.3 (2.5–5.0)", "5.0")
    assert (computed, token_ratio, warm) == ("40", "0.40 (0.20–0.60)", "20")
    assert (written, failed) == ("1.0", "1 of 20")
    assert table.rows[1][2:4] == ["1", "1"]
