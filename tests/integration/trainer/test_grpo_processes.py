"""Reinforcement learning in two processes, as on a machine with two GPUs: one run, one folder, the same step."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.integration.trainer.scripted_reward import ONE_THREAD, serving
from tests.support.processes import Process
from trainer.progress import read_history

STEPS, PROMPTS, GROUP = 2, 4, 4
SECONDS = 150.0
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def test_two_processes_share_the_rollouts_of_a_step_and_write_one_run(tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    with serving(tmp_path, name="judge") as judge:
        options = {
            "output": output,
            "model": tiny,
            "reward": f"judge={judge.url}",
            "steps": STEPS,
            "prompts-per-step": PROMPTS,
            "group-size": GROUP,
            "max-completion-tokens": 8,
            "eval-samples": 0,
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        command = [*TORCHRUN, "-m", "trainer.cli", "train", "grpo", *arguments]
        process = Process(command, tmp_path / "out", ONE_THREAD)
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
