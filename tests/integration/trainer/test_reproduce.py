"""``zhufu reproduce`` as it is typed: a plan, a beginning, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.trainer.commands import Zhufu
from tests.support.paper_release import write_release
from trainer.steps import needs


@pytest.fixture(autouse=True)
def _no_llm_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZHUFU_LLM_URL", "ZHUFU_LLM_MODEL", "ZHUFU_JUDGE_LLM_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    return write_release(tmp_path / "paper", rows=12)


def test_a_folder_with_a_plan_is_begun_gone_on_with_and_not_taken_for_another_run(
    paper: Path, tmp_path: Path, zhufu: Zhufu
) -> None:
    output = tmp_path / "run"
    command = ("reproduce", "--data", paper, "--output", output)
    assert zhufu(*command, "--dry-run").status == 0

    begun = zhufu(*command, "--until", "split-pairs")
    assert begun.status == 0, begun.err
    assert "1 of 2  What is wrong with the published files?" in begun.out
    assert "done until split-pairs; without --until it goes on" in begun.out
    audit = json.loads((output / "steps" / "audit.json").read_text(encoding="utf-8"))
    assert (audit["done"], audit["status"] in {0, 1}) == (True, True)
    assert (output / "audit" / "report.html").is_file()
    assert (output / "data" / "pairs" / "train.jsonl").is_file()
    assert "zhufu data audit" in (output / "logs" / "audit.log").read_text(encoding="utf-8")

    again = zhufu(*command, "--until", "split-pairs")
    assert again.status == 0, again.err
    assert again.out.count("done before") == 2

    other = zhufu(*command, "--seed", 1)
    assert other.status == 1
    assert "tells of a run with other settings" in other.err


def test_what_this_machine_lacks_is_said_before_anything_begins(
    paper: Path, tmp_path: Path, zhufu: Zhufu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "gpus", lambda: 0)
    output = tmp_path / "run"
    ended = zhufu("reproduce", "--preset", "paper", "--data", paper, "--output", output)
    assert ended.status == 1
    assert "this machine lacks: 1 GPU (for reward-model" in ended.err
    assert "the variable ZHUFU_LLM_URL (for principles" in ended.err
    assert not output.exists()


def test_the_folder_of_the_paper_s_files_comes_from_the_environment_too(
    paper: Path, tmp_path: Path, zhufu: Zhufu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHUFU_PAPER_DATA", str(paper))
    ended = zhufu("reproduce", "--output", tmp_path / "run", "--dry-run", "--until", "split-pairs")
    assert ended.status == 0, ended.err
    assert "2 steps, each resolved" in ended.out
