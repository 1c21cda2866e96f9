"""A training that is killed and resumed ends bit for bit as one that nobody disturbed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.commands import Zhufu, wait_while_it_runs, zhufu_process
from tests.integration.trainer.scripted_reward import serving
from tests.integration.trainer.tiny_models import same_weights, starter_pairs
from tests.support.effort import SLOW
from trainer.progress import read_history
from trainer.runs import last_whole_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

HELD_OUT = 2
"""Samples that are scored before the training."""
NOT_COMPARED = ("_seconds", "step_time", "runtime", "per_second", "num_tokens")
"""What a clock measured, and what TRL counts from the start of the process."""


def figures(output: Path) -> list[dict[str, Any]]:
    """The history without what is not compared."""
    return [
        {name: value for name, value in line.items() if not name.endswith(NOT_COMPARED)}
        for line in read_history(output / "history.jsonl")
    ]


def assert_alike(undisturbed: Path, resumed: Path) -> None:
    assert same_weights(undisturbed / "model", resumed / "model")
    assert figures(undisturbed) == figures(resumed)


def rows_file(folder: Path, rows: list[dict[str, str]]) -> Path:
    path = folder / "rows.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def test_grpo_that_was_killed_goes_on_as_if_nothing_had_happened(zhufu: Zhufu, tiny: Path, tmp_path: Path) -> None:
    # Eight prompts, four a step: a checkpoint at step 3 lies in the middle of the second pass over the data.
    data = rows_file(tmp_path, [{"prompt": pair.prompt} for pair in starter_pairs(8)])
    held, go_on = tmp_path / "held", tmp_path / "go-on"
    with serving(tmp_path, hold_after=HELD_OUT + 3 * 16, held=held, hold_until=go_on) as service:
        command = (
            *("train", "grpo", "--model", tiny, "--data", data, "--reward", f"judge={service.url}"),
            *("--preset", "paper", "--learning-rate", 1e-3, "--group-size", 4, "--prompts-per-step", 4),
            *("--max-completion-tokens", 8, "--steps", 6, "--save-steps", 3),
            *("--eval-data", data, "--eval-prompts", HELD_OUT, "--eval-samples", 1),
            # Over four steps: at the fifth a monitor sees some from before the checkpoint.
            *("--watch", "duplicates=0.5::4", "--watch", "attacks=0.5::4", "--watch", "truncated=1::4"),
        )
        killed = tmp_path / "killed"
        process = zhufu_process(tmp_path / "killed.log", *command, "--output", killed)
        try:
            assert wait_while_it_runs(process, held.exists), process.printed()[-3000:]
            process.kill()
        finally:
            process.end()
        go_on.touch()
        assert last_whole_checkpoint(killed) == str(killed / "checkpoint-3")
        assert not (killed / "model").exists()
        resumed = zhufu(*command, "--output", killed, "--resume")
        assert resumed.status == 0, resumed.err
        assert "judge/scored" in resumed.out
        undisturbed = zhufu(*command, "--output", tmp_path / "undisturbed")
        assert undisturbed.status == 0, undisturbed.err
    assert_alike(tmp_path / "undisturbed", killed)
    history = figures(killed)
    assert [line["step"] for line in history] == [1, 2, 3, 4, 5, 6]
    assert not same_weights(tiny, killed / "model"), "it has learned something"
    assert all(line["grad_norm"] > 0 for line in history)
    assert [line["step"] for line in history if "monitor/duplicates" in line] == [4, 5, 6]


FULL, LORA = pytest.param((), id="full"), pytest.param(("--lora-rank", 2), id="lora")
TRAININGS = [("sft", LORA), ("rm", FULL), *([("sft", FULL), ("rm", LORA)] if SLOW else [])]


@pytest.mark.parametrize(
    ("kind", "lora"), [pytest.param(kind, *lora.values, id=f"{kind}-{lora.id}") for kind, lora in TRAININGS]
)
def test_supervised_training_that_was_killed_goes_on_as_if_nothing_had_happened(
    zhufu: Zhufu, tiny: Path, tmp_path: Path, kind: str, lora: tuple[object, ...]
) -> None:
    pairs = starter_pairs(32)
    if kind == "sft":
        rows = [{"prompt": pair.prompt, "completion": pair.chosen} for pair in pairs]
        options: tuple[object, ...] = ()
    else:
        rows = [{"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected} for pair in pairs]
        options = ("--hard-negatives", 0)
    data = rows_file(tmp_path, rows)
    command = (
        *("train", kind, "--model", tiny, "--data", data, "--eval-data", data, "--save-steps", 5),
        *("--batch-size", 8, "--epochs", 3, *options, *lora),
    )
    # 12 steps in three passes; the checkpoint at step 5 lies in the middle of the second.
    killed = tmp_path / "killed"
    process = zhufu_process(tmp_path / "killed.log", *command, "--output", killed, kill_at_step=7)
    try:
        undisturbed = zhufu(*command, "--output", tmp_path / "undisturbed")
        wait_while_it_runs(process)
        assert process.wait() == -signal.SIGKILL, process.printed()[-3000:]
    finally:
        process.end()
    assert undisturbed.status == 0, undisturbed.err
    assert last_whole_checkpoint(killed) == str(killed / "checkpoint-5")
    assert not (killed / "model").exists()
    resumed = zhufu(*command, "--output", killed, "--resume")
    assert resumed.status == 0, resumed.err
    assert_alike(tmp_path / "undisturbed", killed)
    steps = [line["step"] for line in figures(killed) if "loss" in line]
    assert steps == [5, 10]
    if kind == "rm":
        formats = [
            json.loads((each / "model" / "zhufu_reward.json").read_text())
            for each in (killed, tmp_path / "undisturbed")
        ]
        assert formats[0] == formats[1]

    again = zhufu(*command, "--output", killed, "--resume")
    assert again.status == 0, "a run that is done may be resumed"
    assert_alike(tmp_path / "undisturbed", killed)


def test_a_run_is_not_resumed_with_other_settings(zhufu: Zhufu, tiny: Path, tmp_path: Path) -> None:
    data = rows_file(tmp_path, [{"prompt": pair.prompt, "completion": pair.chosen} for pair in starter_pairs(8)])
    command = ("train", "sft", "--model", tiny, "--data", data, "--output", tmp_path / "run", "--epochs", 1)
    assert zhufu(*command).status == 0
    ended = zhufu(*command, "--resume", "--seed", 1)
    assert ended.status == 1
    assert "other settings" in ended.err.splitlines()[-1]
    ended = zhufu(*command)
    assert ended.status == 1
    assert "holds a run already" in ended.err.splitlines()[-1]
