"""What is told of an evaluation: findings that cannot be overlooked, a document of all figures, the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from shared.schemas import RewardInfo, RewardRange, Score, ScoreFailure, Usage
from tests.unit.trainer.evaluation.rewards.made import BAD, GOOD, column, labelled, material_of, text, write_pairs
from trainer.evaluation.auc import Floats
from trainer.evaluation.rewards.baselines import CHANCE, baseline_columns
from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.comparisons import compare
from trainer.evaluation.rewards.findings import Finding, findings_of
from trainer.evaluation.rewards.frequency import Frequencies
from trainer.evaluation.rewards.material import Material
from trainer.evaluation.rewards.measuring import measure, population_of
from trainer.evaluation.rewards.outcomes import Outcomes, outcomes_of
from trainer.evaluation.rewards.record import record_of
from trainer.evaluation.rewards.report import ERRORS_SHOWN, document_of
from trainer.evaluation.rewards.result import Evaluation
from trainer.evaluation.rewards.slices import slices_of
from trainer.report.document import Notice, Section, Table
from trainer.report.document_page import markdown, write_document

ROWS = 240
ALL_SCORED = Outcomes(
    asked=ROWS,
    scored=ROWS,
    failed=0,
    expired=0,
    codes={},
    cached=0,
    latency_p50=0.1,
    latency_p95=0.2,
    prompt_tokens=None,
    completion_tokens=None,
)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("material")
    pairs = [(f"请求{number}", text(GOOD, 31, 500 + number), text(BAD, 30, 600 + number)) for number in range(15)]
    return material_of(folder, labelled(ROWS, longer=15), pairs=write_pairs(folder / "pairs.jsonl", pairs))


@pytest.fixture(scope="module")
def baselines(material: Material) -> list[Column]:
    return baseline_columns(material)


def of_rewards(
    material: Material,
    baselines: list[Column],
    scores: Mapping[str, Floats],
    outcomes: Mapping[str, Outcomes] | None = None,
    left_out: tuple[str, ...] = (),
) -> Evaluation:
    pairs = np.asarray([[1.0, 0.0]] * len(material.pairs))
    every = [
        column(name, values, material, threshold=float(np.nanmedian(values)), pairs=pairs)
        for name, values in scores.items()
    ]
    compared = [each for each in every if each.name not in left_out]
    columns = [*compared, *baselines]
    slices = slices_of(material.rows, material.lengths, Frequencies([]))
    measured = measure(material, columns, population_of(compared), slices, resamples=200, seed=0)
    return Evaluation(
        material=material,
        infos={
            name: RewardInfo(
                name=name, version=f"{name}@1", range=RewardRange(minimum=None, maximum=None), description="Made."
            )
            for name in scores
        },
        outcomes={name: (outcomes or {}).get(name, ALL_SCORED) for name in scores},
        columns=columns,
        left_out=[each for each in every if each.name in left_out],
        measured=measured,
        own={
            each.name: measure(material, [each], population_of([each]), resamples=50, seed=0)
            for each in every
            if each.name in left_out
        },
        comparisons=compare(material, columns, measured, leave_out=CHANCE),
        slices=slices,
        requests_from="those of the data",
        often=(3, 120),
    )


def told(evaluation: Evaluation) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings_of(evaluation)}


def noise(scale: float) -> Floats:
    return np.random.default_rng(99).normal(0, scale, ROWS)


def test_a_reward_that_counts_characters_fails_at_once(material: Material, baselines: list[Column]) -> None:
    found = told(of_rewards(material, baselines, {"counter": material.lengths + noise(0.1)}))
    assert found["not_better_than_length"].tone == "bad"
    assert "does not beat a rule that only counts characters: accuracy 0." in found["not_better_than_length"].text
    assert found["follows_length"].tone == "warn"
    assert "more to longer ones: rank correlation 0.9" in found["follows_length"].text
    assert "better_than_length" not in found


def test_a_reward_that_knows_nothing_is_blind_at_equal_length(material: Material, baselines: list[Column]) -> None:
    found = told(of_rewards(material, baselines, {"noise": noise(1)}))
    assert found["blind_at_equal_length"].tone == "bad"
    assert "length-stratified AUC 0." in found["blind_at_equal_length"].text
    assert "not_better_than_length" in found
    assert "follows_length" not in found


def test_a_reward_that_is_better_than_length_holds_and_may_be_no_better_than_style(
    material: Material, baselines: list[Column]
) -> None:
    found = told(of_rewards(material, baselines, {"reader": material.labels + noise(0.2)}))
    assert found["better_than_length"].tone == "good"
    assert (
        "better than counting characters: length-stratified AUC 1.000 [1.000, 1.000]"
        in found["better_than_length"].text
    )
    assert found["not_better_than_style"].tone == "warn", "the good and bad texts of the test differ in style alone"
    assert {finding.tone for finding in found.values()} == {"good", "warn"}


def test_what_was_not_scored_is_said_and_is_bad_where_it_is_much(material: Material, baselines: list[Column]) -> None:
    def failing(failed: int) -> Outcomes:
        error = ScoreFailure(code="text_too_long", detail="It is too long.", retryable=False)
        return outcomes_of(
            [
                Score(id="1", status="failed", reward=None, error=error, version="v", latency_seconds=0)
                if place < failed
                else Score(id="1", status="scored", reward=0.5, version="v", latency_seconds=0)
                for place in range(ROWS)
            ]
        )

    def reward(failed: int) -> Floats:
        return np.where(np.arange(ROWS) < failed, np.nan, material.labels + noise(0.2))

    few = told(of_rewards(material, baselines, {"some": reward(5)}, {"some": failing(5)}))
    assert few["not_scored"].tone == "warn"
    assert few["not_scored"].text == "some did not score 5 of 240 texts (text_too_long 5); they are in no figure."
    many = told(of_rewards(material, baselines, {"many": reward(40)}, {"many": failing(40)}))
    assert many["not_scored"].tone == "bad"
    left_out = told(
        of_rewards(
            material,
            baselines,
            {"good": reward(0), "hardly": reward(200)},
            {"hardly": failing(200)},
            left_out=("hardly",),
        )
    )
    assert left_out["left_out"].reward == "hardly"
    assert "scored 40 of 240 texts (text_too_long 200)" in left_out["left_out"].text


def test_the_document_holds_every_figure_and_the_worst_first(
    material: Material, baselines: list[Column], tmp_path: Path
) -> None:
    evaluation = of_rewards(
        material,
        baselines,
        {"reader": material.labels + noise(0.2), "counter": material.lengths, "hardly": material.labels + noise(1)},
        left_out=("hardly",),
    )
    findings = findings_of(evaluation)
    extra = Section(title="Probes", blocks=[])
    document = document_of(
        evaluation,
        findings,
        settings={"seed": 0},
        notices=[Notice(text="counter is fooled by filler.", tone="bad")],
        sections=[extra],
    )
    assert extra in document.sections
    assert [notice.text for notice in document.notices][:-1] == [finding.text for finding in findings]
    titles = [section.title for section in document.sections]
    assert titles[:2] == ["With length held fixed", "With length left free"]
    assert "reader: where it is farthest from the label" in titles
    first = document.sections[0].blocks[1]
    assert isinstance(first, Table)
    tones = {row[0].text: row[0].tone for row in first.rows}
    assert tones == {
        "reader": "warn",
        "counter": "bad",
        "length rule": "plain",
        "character n-grams": "plain",
        CHANCE: "plain",
    }
    errors = next(section for section in document.sections if section.title.startswith("reader: where"))
    assert errors.folded
    assert isinstance(errors.blocks[0], Table)
    assert len(errors.blocks[0].rows) == 2 * ERRORS_SHOWN
    page = write_document(document, tmp_path).read_text(encoding="utf-8")
    assert "counter is fooled by filler." in page
    assert page.count("data:image/svg+xml") >= 8
    for text_shown in ("hardly", "length-matched rows", "Holm", "no figures", "birthday"):
        assert text_shown in markdown(document)


def test_the_same_as_json(material: Material, baselines: list[Column]) -> None:
    evaluation = of_rewards(material, baselines, {"reader": material.labels + noise(0.2)})
    record = json.loads(json.dumps(record_of(evaluation, findings_of(evaluation)), allow_nan=False))
    reader = record["columns"]["reader"]
    assert reader["figures"]["length_stratified_auc"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert reader["figures"]["calibration_error"] is None
    assert reader["version"] == "reader@1"
    assert record["columns"]["character n-grams"]["calibration"]["bins"]
    assert record["rows"]["compared"] == ROWS
    assert {each["measure"] for each in record["comparisons"]} >= {"accuracy", "length_stratified_auc"}
    assert any(each["group"] == "length" and each["figures"] for each in record["slices"])
    assert record["findings"][0]["code"] == "better_than_length"


def test_answers_are_counted_with_their_times_and_tokens() -> None:
    error = ScoreFailure(code="provider_timeout", detail="Too slow.", retryable=True)
    scores = [
        Score(
            id="1",
            status="scored",
            reward=0.5,
            cached=number < 4,
            version="v",
            usage=Usage(prompt_tokens=100, completion_tokens=number % 2),
            latency_seconds=float(number),
        )
        for number in range(24)
    ]
    scores.append(Score(id="1", status="failed", reward=None, error=error, version="v", latency_seconds=30))
    scores.append(Score(id="1", status="expired", reward=None, error=error, version="v", latency_seconds=60))
    found = outcomes_of(scores)
    assert (found.asked, found.scored, found.failed, found.expired, found.not_scored) == (26, 24, 1, 1, 2)
    assert found.codes == {"provider_timeout": 2}
    assert (found.prompt_tokens, found.completion_tokens) == (2_400, 12)
    assert found.cached == 4
    latencies = [*range(4, 24), 30, 60]
    assert found.latency_p50 == pytest.approx(np.quantile(latencies, 0.5))
    assert found.latency_p95 == pytest.approx(np.quantile(latencies, 0.95))
    nothing = outcomes_of([])
    assert nothing.latency_p50 is None
    assert nothing.prompt_tokens is None
