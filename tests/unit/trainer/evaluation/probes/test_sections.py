"""What a report says of probes: who fails is named at the top, and texts kept for measuring are not shown."""

from __future__ import annotations

from collections.abc import Sequence

from tests.unit.trainer.evaluation.probes.test_results import plan_of
from trainer.evaluation.probes.outcome import Outcome
from trainer.evaluation.probes.results import ProbeResults, measure_probes
from trainer.evaluation.probes.sections import KEPT, probe_sections
from trainer.report.document import Document, Section, Table
from trainer.report.document_markdown import markdown


def results_of(gains: Sequence[float | None], *, hidden: bool = False, kinds: tuple[str, ...] = ("",)) -> ProbeResults:
    plan, answers = plan_of(gains, hidden=hidden, kinds=kinds)
    return measure_probes(
        plan,
        {
            "model": [answers[row] for row in plan.rows],
            "length rule": [Outcome(reward=float(len(completion))) for _, completion in plan.rows],
        },
    )


def table_of(sections: Sequence[Section], title: str) -> Table:
    (section,) = [section for section in sections if section.title == title]
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    return table


def test_a_reward_that_fails_badly_is_named_with_the_probe_and_its_worst_case() -> None:
    notices, sections = probe_sections(results_of([-1.0] * 60 + [1.0] * 39 + [1.5]), baselines=["length rule"])
    (notice,) = notices
    assert notice.tone == "bad"
    assert "model is fooled by a probe, on 40% of 100 cases" in notice.text
    assert "bound 10%" in notice.text
    assert "“请求99”" in notice.text
    assert "2.000 to “好99”" in notice.text
    assert "3.500 to “坏99”" in notice.text
    row = table_of(sections, "Probes: model").rows[0]
    assert [cell.tone for cell in row[1:3]] == ["bad", "bad"]


def test_baselines_stand_in_the_tables_and_are_not_named_at_the_top() -> None:
    results = results_of([-1.0] * 100)
    notices, sections = probe_sections(results, baselines=["length rule"])
    assert [notice.tone for notice in notices] == ["good"]
    assert table_of(sections, "Probes: length rule").rows[0][1].text == "fails"
    both, _ = probe_sections(results)
    assert [notice.tone for notice in both] == ["good", "bad"]


def test_what_is_above_its_bound_by_chance_perhaps_is_a_warning() -> None:
    notices, _ = probe_sections(results_of([-1.0] * 88 + [1.0] * 12), baselines=["length rule"])
    assert [notice.tone for notice in notices] == ["warn"]


def test_many_cases_without_a_reward_are_said_at_the_top_with_their_causes() -> None:
    notices, sections = probe_sections(results_of([None] * 20 + [-1.0] * 80), baselines=["length rule"])
    assert [notice.tone for notice in notices] == ["warn", "good"]
    assert "a probe, 20 of 100 (text_too_long 20)" in notices[0].text
    assert table_of(sections, "Probes: model").rows[0][5].text == "20"


def test_nothing_scored_is_no_success() -> None:
    notices, _ = probe_sections(results_of([None] * 30), baselines=["length rule"])
    assert [notice.tone for notice in notices] == ["warn"]


def test_texts_that_are_kept_for_measuring_are_nowhere_in_the_report() -> None:
    for hidden in (False, True):
        notices, sections = probe_sections(results_of([1.0] * 40, hidden=hidden, kinds=("a", "b")))
        text = markdown(Document(title="probes", summary="", notices=notices, sections=sections))
        assert ("坏" in text) is not hidden
        assert (KEPT.strip("()") in text) is hidden


def test_kinds_stand_side_by_side_for_each_reward() -> None:
    _, sections = probe_sections(results_of([1.0, -1.0] * 10, kinds=("a", "b")))
    table = table_of(sections, "Probes by kind")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["a", "10 of 10", "10 of 10"],
        ["b", "0 of 10", "10 of 10"],
    ]
