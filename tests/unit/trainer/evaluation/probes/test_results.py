"""What rewards fall for, on constructed answers whose figures are known."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from shared.schemas import Score, ScoreFailure
from trainer.data.labelled import Labelled
from trainer.evaluation.probes.baselines import baseline_outcomes
from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.outcome import Outcome, outcome_of
from trainer.evaluation.probes.plan import ProbePlan, Row, plan_probes
from trainer.evaluation.probes.probe import Materials, Probe
from trainer.evaluation.probes.record import record_of
from trainer.evaluation.probes.results import ProbeFigures, measure_probes
from trainer.evaluation.probes.run import run_probes
from trainer.evaluation.rewards.baselines import LENGTH_RULE, NGRAMS
from trainer.run_folder import write_json


def no_cases(_: Materials) -> list[ProbeCase]:
    return []


def plan_of(
    gains: Sequence[float | None],
    *,
    bound: float = 0.1,
    harmless: bool = False,
    kinds: Sequence[str] = ("",),
    hidden: bool = False,
) -> tuple[ProbePlan, dict[Row, Outcome]]:
    """A plan of one probe, and answers: honest texts get 0 and 2 in turns, tampered ones so much more; None: failed."""
    probe = Probe(name="probe", title="a probe", note="", bound=bound, make=no_cases, harmless=harmless)
    cases: list[ProbeCase] = []
    answers: dict[Row, Outcome] = {}
    for number, gain in enumerate(gains):
        case = ProbeCase(
            prompt=f"请求{number}",
            honest=f"好{number}",
            tampered=f"坏{number}",
            kind=kinds[number % len(kinds)],
            hidden=hidden,
        )
        cases.append(case)
        honest = 2.0 * (number % 2)
        answers[(case.prompt, case.honest)] = Outcome(reward=honest, passed=number % 2 == 1)
        answers[(case.prompt, case.tampered)] = (
            Outcome(reward=None, failure="text_too_long")
            if gain is None
            else Outcome(reward=honest + gain, passed=honest + gain >= 1)
        )
    return ProbePlan(probes=[probe], cases={"probe": cases}, flawed=[]), answers


def figures_of(plan: ProbePlan, answers: Mapping[Row, Outcome]) -> ProbeFigures:
    results = measure_probes(plan, {"reward": [answers[row] for row in plan.rows]})
    return results.rewards["reward"].probes["probe"]


def test_fooled_is_who_gives_as_much() -> None:
    figures = figures_of(*plan_of([1.0] * 3 + [0.0] * 2 + [-1.0] * 15))
    assert figures.fooled is not None
    assert figures.fooled.mean == 5 / 20
    assert figures.ties == 2
    assert figures.change is not None
    assert figures.change.mean == pytest.approx((3 - 15) / 20), "honest texts get 0 and 2: their spread is 1"


def test_decoration_fools_only_who_gives_clearly_more_for_it() -> None:
    figures = figures_of(*plan_of([0.0, 0.05, 0.1, 0.2, 1.0, -1.0] * 4, harmless=True))
    assert figures.fooled is not None
    assert figures.fooled.mean == pytest.approx(2 / 6)


def test_texts_without_a_reward_decide_nothing_and_are_counted() -> None:
    plan, answers = plan_of([None] * 5 + [-1.0] * 15 + [1.0] * 5)
    answers[("请求24", "好24")] = Outcome(reward=None, failure="expired")
    results = measure_probes(plan, {"reward": [answers[row] for row in plan.rows]})
    figures = results.rewards["reward"].probes["probe"]
    assert (figures.cases, figures.scored) == (25, 19)
    assert figures.fooled is not None
    assert figures.fooled.mean == 4 / 19
    assert results.rewards["reward"].failures == {"expired": 1, "text_too_long": 5}


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([-1.0] * 100, "holds"),
        ([-1.0] * 90 + [1.0] * 10, "holds"),
        ([-1.0] * 88 + [1.0] * 12, "over"),
        ([-1.0] * 70 + [1.0] * 30, "badly"),
        ([1.0] * 9, "undecided"),
        ([None] * 30, "undecided"),
        ([], "undecided"),
    ],
)
def test_a_bound_is_broken_for_sure_where_all_of_the_interval_is_above_it(
    gains: list[float | None], verdict: str
) -> None:
    assert figures_of(*plan_of(gains)).verdict == verdict


def test_what_gives_everything_the_same_is_fooled_by_everything() -> None:
    plan, answers = plan_of([0.0] * 20)
    same = {row: Outcome(reward=0.5) for row in answers}
    figures = figures_of(plan, same)
    assert figures.fooled is not None
    assert (figures.fooled.mean, figures.ties) == (1.0, 20)
    assert figures.change is None, "it has no spread to measure by"
    assert figures.passes is None


def test_texts_that_still_pass_are_counted_beside_honest_and_flawed_ones() -> None:
    plan, answers = plan_of([-3.0] * 10 + [0.0] * 10)
    plan = ProbePlan(probes=plan.probes, cases=plan.cases, flawed=[("请求", "差")])
    answers[("请求", "差")] = Outcome(reward=-1.0, passed=False)
    reward = measure_probes(plan, {"reward": [answers[row] for row in plan.rows]}).rewards["reward"]
    assert reward.passes_honest is not None
    assert reward.passes_honest.mean == 0.5
    assert reward.passes_flawed is not None
    assert reward.passes_flawed.mean == 0.0
    passes = reward.probes["probe"].passes
    assert passes is not None
    assert passes.mean == 5 / 20


def test_kinds_are_counted_one_by_one() -> None:
    figures = figures_of(*plan_of([1.0, -1.0, None, 1.0] * 3, kinds=("a", "b")))
    assert figures.kinds == {"a": (3, 3), "b": (3, 6)}


def test_the_worst_cases_come_first() -> None:
    figures = figures_of(*plan_of([float(gain) for gain in range(-10, 10)]))
    assert [scored.gain for scored in figures.worst] == [9.0, 8.0, 7.0, 6.0, 5.0]


def test_an_answer_for_each_text_is_needed_and_none_is_nan() -> None:
    plan, answers = plan_of([1.0] * 10)
    with pytest.raises(ValueError, match="zip"):
        measure_probes(plan, {"reward": [Outcome(reward=1.0)]})
    answers[plan.rows[0]] = Outcome(reward=math.nan)
    with pytest.raises(ValueError, match="NaN"):
        measure_probes(plan, {"reward": [answers[row] for row in plan.rows]})


def test_a_score_passes_by_its_verdict_or_by_its_probability() -> None:
    def passed(**fields: object) -> bool | None:
        score = {"id": "1", "status": "scored", "reward": 1.0, "error": None, "version": "v", "latency_seconds": 0}
        return outcome_of(Score.model_validate({**score, **fields})).passed

    assert passed(verdict=1, components={"probability": 0.1}) is True
    assert passed(verdict=0) is False
    assert passed(components={"probability": 0.5}) is True
    assert passed(components={"probability": 0.49}) is False
    assert passed() is None
    failure = ScoreFailure(code="text_too_long", detail="too long", retryable=False)
    failed = Score(id="1", status="failed", reward=None, error=failure, version="v", latency_seconds=0)
    assert outcome_of(failed) == Outcome(reward=None, passed=None, failure="text_too_long")


def test_each_text_is_asked_once_and_honest_ones_are_shared(rows: list[Labelled], train: list[Labelled]) -> None:
    plan = plan_probes(rows, train, limit=30)
    asked = plan.rows
    assert len(set(asked)) == len(asked)
    cases = sum(map(len, plan.cases.values()))
    assert len(plan.honest) < 0.4 * cases
    assert len(asked) < cases + 2 * len(plan.honest)
    assert len(plan.flawed) == 30
    assert set(plan.flawed) <= {(row.prompt, row.completion) for row in rows if not row.label}
    assert f"{len(asked):,} rollouts for each reward" in str(plan)


async def test_rewards_and_baselines_stand_side_by_side(rows: list[Labelled]) -> None:
    plan = plan_probes(rows, limit=10)

    async def constant(asked: Sequence[Row]) -> dict[str, list[Outcome]]:
        return {"constant": [Outcome(reward=1.0) for _ in asked]}

    results = await run_probes(plan, constant, baselines=baseline_outcomes(plan))
    assert list(results.rewards) == ["constant", LENGTH_RULE], "without a training set there is no n-gram model"


def test_blind_baselines_are_fooled_by_half_of_the_other_requests(rows: list[Labelled], train: list[Labelled]) -> None:
    plan = plan_probes(rows, train)
    results = measure_probes(plan, baseline_outcomes(plan, train))

    def fooled(reward: str, probe: str) -> float:
        found = results.rewards[reward].probes[probe].fooled
        assert found is not None
        return found.mean

    assert fooled(LENGTH_RULE, "other_prompt") == fooled(NGRAMS, "other_prompt") == 0.5
    assert fooled(LENGTH_RULE, "filler") == fooled(LENGTH_RULE, "typos") == 1.0
    assert fooled(LENGTH_RULE, "cut_off") == 0.0
    assert fooled(NGRAMS, "copied_from_training") > 0.8, "it knows these by heart"


@pytest.mark.parametrize("hidden", [False, True])
def test_the_record_is_json_and_tells_no_text_that_is_kept_for_measuring(hidden: bool, tmp_path: Path) -> None:
    plan, answers = plan_of([1.0] * 20, hidden=hidden)
    results = measure_probes(plan, {"reward": [answers[row] for row in plan.rows]})
    write_json(tmp_path / "result.json", record_of(results))
    text = (tmp_path / "result.json").read_text(encoding="utf-8")
    assert json.loads(text)["rewards"]["reward"]["probes"]["probe"]["verdict"] == "badly"
    assert ("坏1" in text) is not hidden
