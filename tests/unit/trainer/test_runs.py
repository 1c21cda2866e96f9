"""The folder of a run: what may be begun, what may be resumed, and from where."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from trainer.presets import SFT
from trainer.progress import HistoryFile, read_history
from trainer.runs import Run, RunFolderError, last_whole_checkpoint, write_json

SETTINGS = {"model": "tiny", "seed": 0, "preset": {"epochs": 3.0, "lora": None}}


def begin(output: Path, *, resume: bool = False, command: str = "train sft", **changes: object) -> Run:
    return Run(output, command=command, settings={**SETTINGS, **changes}, resume=resume)


def checkpoint(output: Path, step: int, state: str | None = "{}") -> Path:
    folder = output / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    if state is not None:
        (folder / "trainer_state.json").write_text(state)
    return folder


def test_a_new_run_makes_its_folder_and_says_what_it_is(tmp_path: Path) -> None:
    run = begin(tmp_path / "runs" / "first")
    record = json.loads((run.output / "run.json").read_text(encoding="utf-8"))
    assert record["command"] == "train sft"
    assert record["settings"] == SETTINGS
    assert {"torch", "trl", "transformers", "zhufu"} <= record["versions"].keys()
    assert record["machine"]["python"]
    assert run.checkpoint is None
    assert run.history() == []
    assert run.model_folder == run.output / "model"


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    begin(tmp_path)
    assert (tmp_path / "run.json").is_file()


def test_a_folder_with_a_run_is_not_used_again(tmp_path: Path) -> None:
    begin(tmp_path)
    with pytest.raises(RunFolderError, match="holds a run already"):
        begin(tmp_path)


def test_a_folder_with_other_things_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(RunFolderError, match="is not empty and holds no run"):
            begin(tmp_path, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_nothing_is_resumed_where_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no run to resume"):
        begin(tmp_path / "mistyped", resume=True)
    assert not (tmp_path / "mistyped").exists()


def test_a_run_with_the_same_settings_is_resumed_from_its_last_checkpoint(tmp_path: Path) -> None:
    begin(tmp_path)
    before = (tmp_path / "run.json").read_bytes()
    for step in (9, 20, 100):
        checkpoint(tmp_path, step)
    assert begin(tmp_path, resume=True).checkpoint == str(tmp_path / "checkpoint-100")
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_run_that_ended_before_its_first_checkpoint_is_resumed_from_the_start(tmp_path: Path) -> None:
    begin(tmp_path)
    assert begin(tmp_path, resume=True).checkpoint is None


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"command": "train rm"}, {"preset": {"epochs": 3.0, "lora": {"rank": 4}}}, {"more": True}]
)
def test_a_run_with_other_settings_is_not_resumed(tmp_path: Path, changes: dict[str, Any]) -> None:
    begin(tmp_path)
    with pytest.raises(RunFolderError, match="other settings"):
        begin(tmp_path, resume=True, **changes)


def test_settings_that_json_changes_still_are_the_same(tmp_path: Path) -> None:
    begin(tmp_path, shape=(1, 2), folder=Path("runs/sft"))
    begin(tmp_path, resume=True, shape=(1, 2), folder=Path("runs/sft"))


@pytest.mark.parametrize("state", [None, "", '{"global_step": 2'])
def test_a_checkpoint_that_a_kill_left_unfinished_is_passed_over(tmp_path: Path, state: str | None) -> None:
    whole = checkpoint(tmp_path, 10)
    checkpoint(tmp_path, 20, state)
    assert last_whole_checkpoint(tmp_path) == str(whole)


def test_only_checkpoints_are_taken_for_checkpoints(tmp_path: Path) -> None:
    for name in ("checkpoint-best", "checkpoint-", "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer_state.json").write_text("{}")
    assert last_whole_checkpoint(tmp_path) is None


def test_json_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"祝": SFT["laptop"], "where": Path("runs/sft")})
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["祝"]["epochs"] == SFT["laptop"].epochs
    assert "祝" in path.read_text(encoding="utf-8")
    with pytest.raises(TypeError, match="no place in JSON"):
        write_json(path, {"no": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == written
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]


class Log:
    """A history file and the state of a trainer that writes it."""

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        self.file = HistoryFile(path)
        self.state = SimpleNamespace(global_step=step, is_world_process_zero=True)

    def begin(self) -> None:
        self.file.on_train_begin(cast("Any", None), cast("Any", self.state), cast("Any", None))

    def log(self, step: int, **figures: object) -> None:
        self.state.global_step = step
        self.file.on_log(cast("Any", None), cast("Any", self.state), cast("Any", None), logs=figures)


def test_a_history_holds_the_finite_figures_of_each_step(tmp_path: Path) -> None:
    log = Log(tmp_path / "history.jsonl")
    log.begin()
    log.log(1, loss=0.5, reward=float("nan"), epoch=1, note="text")
    log.log(2, loss=0.25, kl=None, grad_norm=float("inf"))
    assert read_history(log.path) == [{"step": 1, "loss": 0.5, "epoch": 1.0}, {"step": 2, "loss": 0.25}]


def test_a_summary_is_of_no_step(tmp_path: Path) -> None:
    log = Log(tmp_path / "history.jsonl")
    log.log(5, loss=0.5)
    log.log(5, train_runtime=3.2, train_loss=0.7)
    assert read_history(log.path) == [{"step": 5, "loss": 0.5}]


def test_after_a_resume_the_steps_past_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    log = Log(tmp_path / "history.jsonl")
    for step in range(1, 6):
        log.log(step, loss=step / 10)
    resumed = Log(log.path, step=3)
    resumed.begin()
    resumed.log(4, loss=0.9)
    assert [(line["step"], line["loss"]) for line in read_history(log.path)] == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.9)]
    assert [path.name for path in tmp_path.iterdir()] == ["history.jsonl"]


def test_half_a_line_that_a_kill_left_is_dropped(tmp_path: Path) -> None:
    log = Log(tmp_path / "history.jsonl")
    log.log(1, loss=0.5)
    with log.path.open("a", encoding="utf-8") as file:
        file.write('{"step": 2, "lo')
    assert read_history(log.path) == [{"step": 1, "loss": 0.5}]
    resumed = Log(log.path, step=1)
    resumed.begin()
    resumed.log(2, loss=0.25)
    assert read_history(log.path) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_only_the_first_process_writes(tmp_path: Path) -> None:
    log = Log(tmp_path / "history.jsonl")
    log.state.is_world_process_zero = False
    log.begin()
    log.log(1, loss=0.5)
    assert not log.path.exists()
