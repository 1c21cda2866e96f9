"""Reinforcement learning in two processes, as on a machine with two GPUs: one run, one folder, the same step."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from accelerate.commands.launch import launch_command_parser  # type: ignore[import-untyped]
from torch.distributed.run import get_args_parser
from typer.core import TyperGroup
from typer.main import get_command

from tests.integration.trainer.scripted_reward import ONE_THREAD, serving
from tests.support.processes import Process, Service
from trainer import cli
from trainer.progress import read_history
from trainer.runs import last_whole_checkpoint

STEPS, PROMPTS, GROUP = 2, 4, 4
SECONDS = 150.0
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def training(folder: Path, judge: Service, model: Path, *more: str) -> Process:
    """Two processes that train together, into ``run`` in a folder."""
    options = {
        "output": folder / "run",
        "model": model,
        "reward": f"judge={judge.url}",
        "steps": STEPS,
        "prompts-per-step": PROMPTS,
        "group-size": GROUP,
        "max-completion-tokens": 8,
        "eval-samples": 0,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [*TORCHRUN, "-m", "trainer.cli", "train", "grpo", *arguments, *more]
    return Process(command, folder / "out", ONE_THREAD)


def test_two_processes_share_the_rollouts_of_a_step_and_write_one_run(tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    with serving(tmp_path, name="judge") as judge:
        process = training(tmp_path, judge, tiny)
        try:
            assert process.wait(SECONDS) == 0, process.printed()[-4000:]
        finally:
            process.end()

    assert process.printed().count("report: ") == 1, "one of them speaks"
    result = json.loads((output / "result.json").read_text(encoding="utf-8"))
    assert result["counts"] == {"judge/scored": STEPS * PROMPTS * GROUP}, "those of both, and no more than of one"
    history = read_history(output / "history.jsonl")
    assert [line["step"] for line in history] == [1, 2]
    assert all("scores/judge" in line for line in history)
    assert (output / "model" / "model.safetensors").is_file()


def test_a_monitor_stops_both_with_one_checkpoint_and_one_report(tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    with serving(tmp_path, name="judge") as judge:
        # Untrained, it writes until its limit.
        process = training(tmp_path, judge, tiny, "--watch", "truncated=0.2:0.5:1")
        try:
            assert process.wait(SECONDS) != 0
        finally:
            process.end()

    assert "stopped by a monitor at step 1: truncated is" in process.printed()
    assert last_whole_checkpoint(output) == str(output / "checkpoint-1")
    assert [line["step"] for line in read_history(output / "history.jsonl")] == [1]
    assert "第 1 步停止" in (output / "report.html").read_text(encoding="utf-8")
    assert not (output / "model").exists()


def test_whatever_starts_the_processes_leaves_the_options_of_the_command_alone() -> None:
    """They take an option of ours that is a beginning of some of theirs for one of those, wherever it stands."""
    command = get_command(cli.train_app)
    assert isinstance(command, TyperGroup)
    options = [name for option in command.commands["grpo"].params for name in option.opts]
    assert "--watch" in options
    given = [part for name in options for part in (name, "x")]
    for parser in (get_args_parser(), launch_command_parser()):
        parsed = parser.parse_args(["-m", "trainer.cli", "train", "grpo", *given])
        assert parsed.training_script_args == ["train", "grpo", *given]
