"""GRPO runs, one after the other in a process of their own: ``python -m benchmarks.grpo_runs FOLDER``.

The policy is the tiny one, untrained: it writes random characters up to the limit, so that every run makes the same
number of tokens whatever its rewards say.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.processes import serve_commands
from trainer.data.starter import load_starter
from trainer.grpo import GrpoJob, train_grpo
from trainer.presets import GRPO, GrpoPreset
from trainer.rewards import RewardSpec
from trainer.runs import Run
from trainer.tiny import make_tiny_model


def preset(steps: int, *, small: bool) -> GrpoPreset:
    """That of a laptop, but no completion is left out for its length; ``small``: four short rollouts a step."""
    whole = dataclasses.replace(GRPO["laptop"], max_steps=steps, mask_truncated=False)
    if not small:
        return whole
    return dataclasses.replace(whole, prompts_per_step=2, group_size=2, micro_batch_size=4, max_completion_tokens=8)


def run(policy: Path, prompts: list[str], output: Path, command: dict[str, Any]) -> dict[str, Any]:
    """Train with ``rewards`` (URLs by name) for some ``steps``; the history, a line for each step."""
    chosen = preset(command["steps"], small=command["small"])
    job = GrpoJob(
        model=str(policy),
        prompts=prompts,
        rewards=[RewardSpec(name=name, url=url, weight=1.0) for name, url in command["rewards"].items()],
        preset=chosen,
        seed=0,
        save_steps=chosen.max_steps,
    )
    training = Run(output, command="benchmark", settings={}, resume=False)
    train_grpo(job, training, Console(quiet=True))
    return {"history": training.history()}


def main() -> None:
    folder = Path(sys.argv[1])
    rows = load_starter("train")
    policy = make_tiny_model(
        folder / "policy", [text for row in rows for text in (row.prompt, row.chosen, row.rejected)], seed=0
    )
    prompts = [row.prompt for row in rows]
    runs = iter(range(1_000))
    serve_commands(lambda command: run(policy, prompts, folder / f"run-{next(runs)}", command))


if __name__ == "__main__":
    main()
