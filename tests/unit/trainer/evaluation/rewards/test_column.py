"""A reward's scores become decisions and probabilities as the reward gives them, and never where it failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from shared.schemas import RewardInfo, RewardRange, Score, ScoreFailure
from tests.unit.trainer.evaluation.rewards.made import labelled, material_of, write_labelled
from trainer.evaluation.rewards.column import Column, reward_column, says_by_itself
from trainer.evaluation.rewards.material import Material, Sources, load_material
from trainer.evaluation.rewards.measuring import population_of

UNBOUNDED, UNIT = RewardRange(minimum=None, maximum=None), RewardRange(minimum=0, maximum=1)


@pytest.fixture
def material(tmp_path: Path) -> Material:
    return material_of(tmp_path, labelled(40))


def scored(reward: float, *, verdict: Literal[0, 1] | None = None, components: dict[str, float] | None = None) -> Score:
    return Score(
        id="1",
        status="scored",
        reward=reward,
        verdict=verdict,
        components=components or {},
        version="v",
        latency_seconds=0,
    )


def failed() -> Score:
    error = ScoreFailure(code="text_too_long", detail="It is too long.", retryable=False)
    return Score(id="1", status="failed", reward=None, error=error, version="v", latency_seconds=0)


def column_of(
    material: Material,
    score: Callable[[int], Score],
    *,
    range_: RewardRange = UNBOUNDED,
    validation: list[Score] | None = None,
) -> Column:
    info = RewardInfo(name="judge", version="judge@1", range=range_, description="A reward.")
    scores = [score(place) for place in range(len(material.texts))]
    return reward_column("judge", scores, info, material, validation)


def test_a_verdict_decides_before_all_else(material: Material) -> None:
    column = column_of(
        material, lambda place: scored(9.0, verdict=1 if place % 3 == 0 else 0, components={"probability": 0.1})
    )
    assert column.decided_by == "its verdict"
    assert column.decisions.tolist() == [1 if place % 3 == 0 else 0 for place in range(40)]
    assert column.probabilities is not None
    assert column.probabilities.tolist() == [0.1] * 40


def test_else_a_probability_does_from_one_half(material: Material) -> None:
    column = column_of(material, lambda place: scored(-5.0, components={"probability": 0.5 if place % 2 else 0.49}))
    assert column.decided_by == "its probability, from 0.5"
    assert column.decisions.tolist() == [place % 2 for place in range(40)]


def test_else_a_threshold_that_is_cross_fitted(material: Material) -> None:
    column = column_of(material, lambda place: scored(10.0 + material.rows[place].label))
    assert column.decided_by == "reward ≥ a threshold cross-fitted on the data"
    assert column.decisions.tolist() == material.labels.tolist()
    assert column.probabilities is None
    assert not says_by_itself([scored(1.0)])


def test_or_one_chosen_on_validation_rows(material: Material, tmp_path: Path) -> None:
    rows = labelled(40)
    source = write_labelled(tmp_path / "validation.jsonl", labelled(20, seed=3))
    both = load_material(Sources(data=write_labelled(tmp_path / "rows.jsonl", rows), validation=source), seed=0)
    known = [scored(2.0 if row.label else -2.0) for row in both.validation]
    column = column_of(both, lambda place: scored(0.1 if place < 30 else -0.1), validation=[failed(), *known[1:]])
    assert column.decided_by == "reward ≥ 0, chosen on --validation"
    assert column.decisions.tolist() == [1] * 30 + [0] * 10


def test_a_reward_from_0_to_1_is_a_probability_and_a_logit_is_none(material: Material) -> None:
    column = column_of(material, lambda _: scored(0.3, verdict=0), range_=UNIT)
    assert column.probabilities is not None
    assert column.probabilities.tolist() == [0.3] * 40
    assert column_of(material, lambda _: scored(0.3, verdict=0)).probabilities is None


def test_what_failed_is_no_score_no_probability_and_in_no_population(material: Material) -> None:
    column = column_of(
        material, lambda place: failed() if place % 10 == 4 else scored(0.0, components={"probability": 0.7})
    )
    assert np.isnan(column.scores[[4, 14, 24, 34]]).all()
    assert column.probabilities is not None
    assert np.isnan(column.probabilities[4])
    assert column.scored_rows.tolist() == [place for place in range(40) if place % 10 != 4]
    other = column_of(material, lambda place: failed() if place == 0 else scored(1.0))
    assert population_of([column, other]).rows.tolist() == [place for place in range(1, 40) if place % 10 != 4]
    with pytest.raises(ValueError, match="nobody scored"):
        population_of([])
