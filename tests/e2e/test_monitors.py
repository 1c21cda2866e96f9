"""Monitors in real runs: one stops a run with a checkpoint, it goes on with another bound, and a warning stops none.

The policy is untrained and writes until its limit: from the first step on all that it writes is cut off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.trainer.commands import Ended, Zhufu
from tests.integration.trainer.scripted_reward import serving
from tests.integration.trainer.tiny_models import starter_pairs
from tests.support.processes import Service
from trainer.monitors.errors import EXIT_STATUS
from trainer.monitors.record import read_segments
from trainer.progress import read_history
from trainer.runs import last_whole_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

TRUNCATED = "monitor/truncated"


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("judge")) as service:
        yield service


class Training:
    """A run of four steps, which can be resumed."""

    def __init__(self, zhufu: Zhufu, judge: Service, model: Path, folder: Path) -> None:
        self.output = folder / "run"
        data = folder / "pairs.jsonl"
        rows = [{"prompt": each.prompt, "chosen": each.chosen, "rejected": each.rejected} for each in starter_pairs(16)]
        data.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
        self._zhufu = zhufu
        self._command = (
            *("train", "grpo", "--model", model, "--data", data, "--output", self.output, "--steps", 4),
            *("--reward", f"judge={judge.url}", "--reward", f"shadow={judge.url}", "--weight", "shadow=0"),
            *("--group-size", 4, "--prompts-per-step", 4, "--max-completion-tokens", 8, "--eval-samples", 0),
        )

    def __call__(self, *monitors: str, resume: bool = False) -> Ended:
        options = [part for monitor in monitors for part in ("--watch", monitor)]
        return self._zhufu(*self._command, *options, *(["--resume"] if resume else []))

    @property
    def steps(self) -> list[int]:
        return [line["step"] for line in read_history(self.output / "history.jsonl")]

    def page(self) -> str:
        return (self.output / "report.html").read_text(encoding="utf-8")

    def said(self) -> dict[str, object]:
        """Of the monitor of truncation, what the result tells."""
        found = json.loads((self.output / "result.json").read_text(encoding="utf-8"))["monitors"]["truncated"]
        assert isinstance(found, dict)
        return found


def test_a_monitor_stops_a_run_with_a_checkpoint_and_another_bound_lets_it_go_on(
    zhufu: Zhufu, judge: Service, tiny: Path, tmp_path: Path
) -> None:
    train = Training(zhufu, judge, tiny, tmp_path)
    stopped = train("truncated=0.2:0.5:2")
    assert stopped.status == EXIT_STATUS, stopped.err
    last = stopped.err.splitlines()[-1]
    assert last.startswith("error: stopped by a monitor at step 2: truncated is 1 over the last 2 values")
    assert "--watch truncated=off" in last
    assert str(train.output / "report.html") in last
    assert "Traceback" not in stopped.err
    assert last_whole_checkpoint(train.output) == str(train.output / "checkpoint-2")
    assert not (train.output / "model").exists()
    assert "第 2 步停止" in train.page()
    assert train.said()["stopped_at_steps"] == [2]

    again = train("truncated=0.2:0.5:2", resume=True)
    assert again.status == EXIT_STATUS
    assert "stopped by a monitor at step 2" in again.err.splitlines()[-1], "it would stop where it stands"
    assert train.steps == [1, 2]

    raised = train("truncated=0.2::2", resume=True)
    assert raised.status == 0, raised.err
    assert train.steps == [1, 2, 3, 4]
    assert (train.output / "model" / "model.safetensors").is_file()
    history = read_history(train.output / "history.jsonl")
    assert TRUNCATED not in history[0]
    assert all(line[TRUNCATED] > 0.5 for line in history[1:]), "the window outlasts the resume"
    assert [segment.after_step for segment in read_segments(train.output / "monitors.json")] == [0, 2]
    assert train.said()["warned_steps"] == [2, 3, 4]
    assert "第 2 步停止" in train.page(), "that it was stopped once is not forgotten"


def test_a_run_that_is_warned_goes_on_and_says_so(zhufu: Zhufu, judge: Service, tiny: Path, tmp_path: Path) -> None:
    train = Training(zhufu, judge, tiny, tmp_path)
    ended = train("off", "truncated=0.2::3", "copying=0:0.9:2", "duplicates=0.9:1:2", "shadow_gap=9:9:1")
    assert ended.status == 0, ended.err
    assert ended.out.count("monitor_warns") == 1, "once, and not at each step"
    assert train.said()["warned_steps"] == [3, 4]
    assert train.said()["stopped_at_steps"] == []
    for line in read_history(train.output / "history.jsonl"):
        assert 0 <= line["policy/copying"] < 0.9, "the greetings of --data are the corpus"
        assert 0 <= line["policy/duplicates"] < 1
        assert "policy/attacks" not in line, "what is off is not looked for"
    page = train.page()
    assert "警告，第 3–4 步" in page
    assert page.count('src="data:image/svg+xml;base64,') == 3, "the shadow has no start yet to be compared with"


def test_what_cannot_be_watched_is_told_before_a_folder_is_made(
    zhufu: Zhufu, judge: Service, tiny: Path, tmp_path: Path
) -> None:
    train = Training(zhufu, judge, tiny, tmp_path)
    for option, says in (
        ("duplicates=0.5", "write WARN:STOP"),
        ("nothing=1:2", "there is length_correlation"),
        ("distinct_2=0.2:0.5", "before it warns"),
    ):
        ended = train(option)
        assert ended.status == 1
        assert says in ended.err.splitlines()[-1]
    assert not train.output.exists()
