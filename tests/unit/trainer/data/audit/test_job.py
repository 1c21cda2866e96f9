"""Findings against bounds; what is compared with what."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from shared.errors import InvalidData, InvalidRequest
from tests.unit.trainer.data.split.made import Maker, nearly
from trainer.data.audit.findings import Bounds, Finding, findings_of
from trainer.data.audit.job import TOGETHER, Audit, AuditJob, run_audit
from trainer.data.audit.record import record_of_audit


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def balanced(make: Maker, count: int) -> list[dict[str, object]]:
    """Pairs in which neither length nor style says anything."""
    return [make.pair(20 + number % 30, 20 + (7 * number) % 30) for number in range(count)]


def finding(audit: Audit, name: str) -> Finding:
    (found,) = (each for each in audit.findings if each.name == name)
    return found


def flawed(make: Maker) -> dict[str, list[dict[str, object]]]:
    """For each figure, rows that break its bound and no other."""
    rows = balanced(make, 60)
    first = rows[0]
    same = make.text(30)
    return {
        "refused_rows": [*rows, {**first, "chosen": ""}],
        "same_text": [*rows, {**make.pair(), "chosen": same, "rejected": same}],
        "contradictions": [
            *rows,
            {"prompt": first["prompt"], "chosen": first["rejected"], "rejected": first["chosen"]},
        ],
        "repeated_rows": [*rows, first],
        "near_texts": [*rows, *({**make.pair(), "chosen": nearly(row["chosen"])} for row in rows[:4])],
        "length_auc": [make.pair(40 + number % 5, 30 + number % 10) for number in range(60)],
        "style_auc": [{**row, "chosen": f"呀{str(row['chosen'])[1:]}"} for row in rows],
        "damaged_texts": [*rows, {**make.pair(), "rejected": f"{make.text(30)}\ufffd"}],
        "long_texts": [*rows, make.pair(1_001, 1_000)],
    }


def test_sound_data_break_no_bound(make: Maker) -> None:
    audit = run_audit(AuditJob(sources=(make.file(balanced(make, 60)),)))
    assert audit.passes
    assert not audit.broken
    assert {each.severity for each in audit.findings} == {"passed", "noted"}
    assert all((each.bound is None) == (each.severity == "noted") for each in audit.findings)


@pytest.mark.parametrize("name", list(flawed(Maker(Path()))))
def test_each_flaw_breaks_its_bound_and_a_looser_bound_lets_it_pass(make: Maker, name: str) -> None:
    audit = run_audit(AuditJob(sources=(make.file(flawed(make)[name]),)))
    broken = {each.name for each in audit.broken}
    assert broken == ({name, "longer_wins"} if name == "length_auc" else {name})
    loose: dict[str, Any] = {name: finding(audit, name).value}
    (again,) = (each for each in findings_of(audit.sources[0], Bounds(**loose)) if each.name == name)
    assert again.severity == "passed"


def test_pairs_whose_longer_text_wins_are_found_whatever_lengths_there_are(make: Maker) -> None:
    rows = [make.pair(18 + number % 60, 16 + number % 60) for number in range(120)]
    audit = run_audit(AuditJob(sources=(make.file(rows),)))
    assert {each.name for each in audit.broken} == {"longer_wins"}
    turned = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
    audit = run_audit(AuditJob(sources=(make.file(turned),)))
    assert {each.name for each in audit.broken} == {"longer_wins"}
    assert finding(audit, "longer_wins").value == 1


def test_few_rows_of_one_label_break_the_only_bound_from_below(make: Maker) -> None:
    rows = [*make.labelled(40), *({**row, "label": 0} for row in make.labelled(400))]
    found = finding(run_audit(AuditJob(sources=(make.file(rows),))), "minority_label")
    assert (found.severity, found.bound) == ("broken", 0.2)
    assert found.value == pytest.approx(20 / 440)


def test_leaks_are_found_in_either_of_several_sources_and_in_all_together(make: Maker) -> None:
    one, other, held_out = balanced(make, 30), balanced(make, 30), balanced(make, 6)
    one[0]["chosen"] = held_out[0]["chosen"]
    other[0]["rejected"] = nearly(held_out[1]["chosen"])
    other[1]["prompt"] = held_out[2]["prompt"]
    sources = (make.file(one, "one.jsonl"), make.file(other, "other.jsonl"))
    evaluation = make.file(held_out, "evaluation.jsonl")
    audit = run_audit(AuditJob(sources=sources, evaluation=(evaluation,)))
    assert [(Path(each.source).name, each.name, each.value) for each in audit.broken] == [
        ("one.jsonl", "leaked_texts", 1),
        ("other.jsonl", "near_leaked_texts", 1),
        ("other.jsonl", "leaked_prompts", 1),
        (TOGETHER, "leaked_texts", 1),
        (TOGETHER, "near_leaked_texts", 1),
        (TOGETHER, "leaked_prompts", 1),
    ]
    assert {each.evaluation for each in audit.broken} == {evaluation}
    assert "good there, good here: 1 of 6" in audit.broken[0].sentence


def test_a_broken_row_is_a_finding_in_a_source_and_an_error_in_an_evaluation(make: Maker) -> None:
    broken = make.file([*balanced(make, 10), {"prompt": "给", "chosen": "", "rejected": "祝好"}], "broken.jsonl")
    audit = run_audit(AuditJob(sources=(broken,)))
    assert finding(audit, "refused_rows").value == 1
    assert finding(audit, "style_not_measured").severity == "noted"
    with pytest.raises(InvalidData, match="row 11: field 'chosen' is empty"):
        run_audit(AuditJob(sources=(make.file(balanced(make, 10)),), evaluation=(broken,)))


def test_starter_splits_are_compared_with_the_held_out_ones_unless_told_otherwise() -> None:
    job = AuditJob(sources=("starter", "starter:validation", "file.jsonl"))
    assert job.evaluations_of("starter") == ["starter:validation", "starter:test"]
    assert job.evaluations_of("starter:validation") == ["starter:test"]
    assert job.evaluations_of("file.jsonl") == []
    told = dataclasses.replace(job, evaluation=("file.jsonl",))
    assert told.evaluations_of("starter") == ["file.jsonl"]
    assert told.evaluations_of("file.jsonl") == []


def test_the_starter_set_passes() -> None:
    audit = run_audit(AuditJob(sources=("starter", "starter:validation", "starter:test")))
    assert audit.broken == []
    assert {each.name for each in audit.findings} >= {"leaked_texts", "length_auc", "longer_wins", "style_auc"}


def test_the_record_holds_figures_and_no_text_of_the_data(make: Maker) -> None:
    rows = flawed(make)["near_texts"]
    rows += [{**rows[0], "chosen": rows[0]["rejected"], "rejected": rows[0]["chosen"]}]
    evaluation = make.file(rows[:3], "evaluation.jsonl")
    audit = run_audit(AuditJob(sources=(make.file(rows),), evaluation=(evaluation,)))
    written = json.dumps(record_of_audit(audit), ensure_ascii=False)
    read = json.loads(written)
    assert read["passes"] is False
    assert read["settings"]["bounds"] == dataclasses.asdict(Bounds())
    assert read["sources"][0]["leaks"][0]["texts_exact"] == 6
    assert len(read["sources"][0]["repeats"]["texts"]["examples"]) == 4
    assert not [row for row in rows if any(str(text)[:6] in written for text in row.values())]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"sources": ()}, "no source to audit"),
        ({"sources": ("a", "a")}, "named twice"),
        ({"evaluation": ("b", "b")}, "named twice"),
        ({"near": 0.0}, "above 0 and at most 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        AuditJob(**({"sources": ("a",)} | settings))


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ({"leaked_texts": -1}, "leaked_texts is -1"),
        ({"style_auc": 1.2}, "style_auc is a share"),
        ({"near_texts": float("nan")}, "near_texts is nan"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(bounds: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        Bounds(**bounds)
