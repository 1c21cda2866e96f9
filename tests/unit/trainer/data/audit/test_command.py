"""``zhufu data audit`` and ``zhufu data split`` as they are typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.trainer.data.split.made import Maker
from trainer import cli
from trainer.run_folder import HALF_WRITTEN

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@pytest.fixture
def zhufu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["zhufu", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run


def test_an_audit_that_passes_ends_with_0_and_writes_its_report(zhufu: Run, make: Maker, tmp_path: Path) -> None:
    source = make.file([make.pair(20 + number % 9, 20 + 5 * number % 9) for number in range(40)])
    status, out, err = zhufu("audit", source, "--output", tmp_path / "audit")
    assert status == 0, err
    assert "broken:" not in err
    assert {path.name for path in (tmp_path / "audit").iterdir()} == {"report.html", "report.md", "result.json"}
    assert json.loads((tmp_path / "audit" / "result.json").read_text(encoding="utf-8"))["passes"] is True
    assert "report.html" in out
    page = (tmp_path / "audit" / "report.md").read_text(encoding="utf-8")
    for title in ("Findings", "Sources", "Repeats", "Length", "Style", "Odd texts"):
        assert f"## {title}" in page


def test_what_an_audit_that_was_killed_has_left_is_in_nobodys_way(zhufu: Run, make: Maker, tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / f"{HALF_WRITTEN}1").write_text("{")
    source = make.file([make.pair(20 + number % 9, 20 + 5 * number % 9) for number in range(40)])
    status, _, err = zhufu("audit", source, "--output", tmp_path / "audit")
    assert status == 0, err


def test_a_broken_bound_ends_with_1_and_is_named(zhufu: Run, make: Maker, tmp_path: Path) -> None:
    rows = make.pairs(60)
    source, evaluation = make.file(rows), make.file(rows[:2], "held-out.jsonl")
    status, out, err = zhufu("audit", source, "--evaluation", evaluation, "--output", tmp_path / "audit", "--json")
    assert status == 1
    assert json.loads(out) == json.loads((tmp_path / "audit" / "result.json").read_text(encoding="utf-8"))
    assert f"broken: {source}: texts of {evaluation} that stand here: 4 of 4" in err
    assert "[leaked_texts, allowed 0]" in err
    page = (tmp_path / "audit" / "report.md").read_text(encoding="utf-8")
    assert "## Leakage" in page


def test_every_bound_can_be_set(zhufu: Run, make: Maker, tmp_path: Path) -> None:
    rows = make.pairs(60)
    bounds = {"leakage": 4, "prompt-leakage": 2, "length-auc": 1, "longer-wins": 1, "style-auc": 1}
    options = [part for name, value in bounds.items() for part in (f"--max-{name}", value)]
    evaluation = make.file(rows[:2], "held-out.jsonl")
    status, _, err = zhufu(
        "audit", make.file(rows), "--evaluation", evaluation, "--output", tmp_path / "audit", *options
    )
    assert status == 0, err
    settings = json.loads((tmp_path / "audit" / "result.json").read_text(encoding="utf-8"))["settings"]
    assert settings["bounds"]["leaked_texts"] == 4
    assert settings["bounds"]["longer_wins"] == 1


def test_an_earlier_audit_is_replaced_and_anything_else_left_alone(zhufu: Run, make: Maker, tmp_path: Path) -> None:
    source = make.file([{"prompt": make.text(9)} for _ in range(20)])
    folder = tmp_path / "audit"
    assert zhufu("audit", source, "--output", folder)[0] == 0
    assert zhufu("audit", source, "--output", folder, "--seed", 1)[0] == 0
    (folder / "result.json").write_text('{"command": "evaluate rewards"}', encoding="utf-8")
    status, _, err = zhufu("audit", source, "--output", folder)
    assert status == 1
    assert "holds no audit" in err


def test_what_cannot_be_read_or_understood_is_one_sentence(zhufu: Run, tmp_path: Path) -> None:
    status, _, err = zhufu("audit", tmp_path / "nothing.jsonl", "--output", tmp_path / "audit")
    assert status == 1
    assert "there is no such file" in err
    assert zhufu("audit", "starter", "--output", tmp_path / "audit", "--max-style-auc", 2)[0] == 2
    assert not (tmp_path / "audit").exists()


def test_a_split_is_written_shown_and_written_once(zhufu: Run, make: Maker, tmp_path: Path) -> None:
    rows = make.pairs(100)
    arguments = ("split", "--data", make.file(rows), "--exclude", make.file(rows[:3], "x.jsonl"))
    status, out, err = zhufu(*arguments, "--output", tmp_path / "split")
    assert status == 0, err
    assert "a text of it stands in an excluded source" in out
    assert "written:" in out
    assert "smaller than asked for" in err
    status, out, _ = zhufu(*arguments, "--output", tmp_path / "split")
    assert status == 0
    assert "there already:" in out
    status, _, err = zhufu(*arguments, "--seed", 1, "--output", tmp_path / "split")
    assert status == 1
    assert "holds another split" in err


def test_prompts_that_are_no_rule_are_refused(zhufu: Run, make: Maker, tmp_path: Path) -> None:
    status, _, err = zhufu("split", "--data", "starter", "--prompts", "some", "--output", tmp_path / "split")
    assert status == 2
    assert "exact, near, ignore" in err
