from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.errors import InvalidData
from tests.unit.trainer.reproduce.made import as_written, measured, policies_result, rewards_result
from trainer.evaluation.intervals import Interval
from trainer.report.document import NOTHING, Cell, Table
from trainer.report.document_page import write_document
from trainer.reproduce import published, tables
from trainer.reproduce.document import notices, reproduction_document
from trainer.reproduce.measured import Measured
from trainer.reproduce.results import PoliciesResult, read_result
from trainer.reproduce.rows import ROWS


@pytest.fixture(scope="module")
def made() -> Measured:
    return measured()


def texts(row: Sequence[Cell]) -> list[str]:
    return [cell.text for cell in row]


def row_of(table: Table, first: str) -> list[str]:
    (row,) = (texts(row) for row in table.rows if row[0].text == first)
    return row


def test_published_figures_stand_beside_those_of_each_reward_by_kind_of_request(made: Measured) -> None:
    table = tables.excellence_table(made.policies)
    assert list(table.columns) == [
        "policy",
        "published, high-frequency",
        "published, ordinary",
        "reward_model, high-frequency",
        "reward_model, ordinary",
        "judge, high-frequency",
        "judge, ordinary",
    ]
    assert [row[0].text for row in table.rows] == [*(row.title for row in ROWS), *published.OTHERS]
    assert row_of(table, "base")[1:3] == ["57.6%", "53.8%"]
    assert row_of(table, "RM+RL")[1:3] == ["did not converge"] * 2
    assert row_of(table, "judge+RL")[1:3] == ["95.0%", "92.4%"]
    measured_here = made.policies.rewards["judge"].models["sft-rm-rl"].excellence_of["high-frequency"]
    assert measured_here is not None
    assert row_of(table, "SFT+RM+RL")[5].startswith(f"{measured_here.mean:.0%} [")
    assert row_of(table, "GPT-4o")[3:] == [NOTHING] * 4


def test_requests_of_one_kind_have_one_column_a_reward() -> None:
    policies = policies_result()
    record = policies.record() | {"slices": {}}
    table = tables.excellence_table(PoliciesResult.model_validate_json(as_written(record)))
    assert list(table.columns[3:]) == ["reward_model, all", "judge, all"]


def test_a_change_says_what_length_did(made: Measured) -> None:
    table = tables.changes_table(made.changes, made.policies, "reward_model")
    longer = row_of(table, "RM+RL")
    assert longer[1:4] == ["base", "climbed", "rose, by length"]
    assert float(longer[6].split()[0]) == pytest.approx(20, abs=3)
    assert row_of(table, "judge+RL")[2] == "looked on"
    assert row_of(table, "SFT")[2] == NOTHING
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_evaluators_stand_beside_what_counts_characters(made: Measured) -> None:
    table = tables.evaluators_table(made)
    assert row_of(table, "multi_agent, published")[1:5] == ["87.60%", "87.38%", "87.90%", "87.64%"]
    assert row_of(table, "judge, published")[1] == "85.50%"
    assert row_of(table, "judge, here")[1:3] == ["90.0% [88.0%, 92.0%]", NOTHING]
    assert row_of(table, "length rule")[1].startswith("89.2%")
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_ablations_that_are_not_run_are_said_to_be_so(made: Measured) -> None:
    table = tables.ablations_table(made)
    assert [texts(row) for row in table.rows][1] == ["positive", "53.65%", NOTHING]
    assert "Not measured by this preset" in table.note
    found = rewards_result(None, "multi_agent")
    with_agents = measured(rewards=found, without=dict.fromkeys(published.ABLATIONS, found))
    table = tables.ablations_table(with_agents)
    assert [row[2].text for row in table.rows] == ["90.0% [88.0%, 92.0%]"] * 5
    assert table.note == ""


def test_what_must_not_be_overlooked_stands_at_the_top(made: Measured) -> None:
    told = {notice.text: notice.tone for notice in notices(made)}
    assert told["RM+RL: its reward rose, by length."] == "warn"
    assert told["SFT+RM+RL: learned from the reward that it climbed, and not by length."] == "good"
    assert told["SFT+judge+RL: the reward that it climbed fell."] == "bad"
    assert told["judge does not beat counting characters"] == "bad"
    assert any("270 million" in text for text in told)
    assert not any("270 million" in notice.text for notice in notices(measured(is_stand_in=False)))


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.88, 0.9, "more than"), (0.87, 0.88, "no less than"), (0.5, 0.6, "less than")]
)
def test_the_length_rule_is_held_against_the_best_published_evaluator(low: float, high: float, word: str) -> None:
    rule = rewards_result({"mean": (low + high) / 2, "low": low, "high": high})
    (sentence,) = (each.text for each in notices(measured(rewards=rule)) if "Counting characters" in each.text)
    assert f"evaluation set, {word} the best published evaluator (87.6%)" in sentence


def test_the_report_and_its_figures_are_written(made: Measured, tmp_path: Path) -> None:
    path = write_document(reproduction_document(made), tmp_path)
    page, text = path.read_text(encoding="utf-8"), (tmp_path / "report.md").read_text(encoding="utf-8")
    for part in ("SFT+judge+RL", "did not converge", "5 pairs prefer nothing", "4,511"):
        assert part in page
        assert part in text
    record = json.loads(json.dumps(made.record()))
    assert record["seconds"] == 95
    assert record["verdicts"][0] == {
        "row": "sft",
        "against": "base",
        "reward": "reward_model",
        "climbed": False,
        "verdict": "learned",
    }


def test_a_result_that_is_not_what_was_expected_is_named(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with pytest.raises(InvalidData, match=r"result.json: cannot be read: No such file"):
        read_result(path, PoliciesResult)
    path.write_text('{"prompts": "many"}')
    with pytest.raises(InvalidData, match=r"result.json: is not what was expected"):
        read_result(path, PoliciesResult)


def test_figures_survive_being_written_and_read() -> None:
    record = policies_result().record()
    read = PoliciesResult.model_validate_json(as_written(record))
    assert read.models["sft"].characters == Interval(**record["models"]["sft"]["characters"])
    assert len(read.comparisons) == len(record["comparisons"])
