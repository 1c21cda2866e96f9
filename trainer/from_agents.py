"""`zhufu from-agents`: pairs from the agents, a reward model from the pairs, a policy from the reward model.

The stages are the commands that one would type, each in a process of its own, with its folder under the output:

    pairs.jsonl       zhufu sample     the agents' preference pairs, through the queue
    reward-model/     zhufu train rm   what they teach
    warm-up/          zhufu train sft  a policy to begin with, where none is given
    policy/           zhufu train grpo the policy, rewarded by that reward model, served, through the queue

A stage that is done is passed over and one that was cut short is resumed, so that the same command goes on after any
end.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from shared.errors import ZhufuError
from trainer.checkpoints import starter_reward_model
from trainer.sampling.command import CEILING_REACHED
from trainer.stack import Stack, choose_llm
from trainer.stack.services import AGENTS, REWARD_MODEL, project_environment

LEAST_PAIRS = 2
INTERRUPTED = 130


class StageFailed(ZhufuError):
    """A stage ended without its result; what it said stands above. The same command goes on with it."""

    code = "stage_failed"


class TooFewPairs(ZhufuError):
    """The agents found too few preferences to train on; the summary of the sampling says why."""

    code = "too_few_pairs"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FromAgentsJob:
    """What runs, and where.

    Attributes:
        output: Folder of all stages.
        base_port: Of the stacks.
        sample: Further arguments of ``zhufu sample``, and so on.
        policy: A folder or hub id of a policy to begin with; None trains a small one first.
    """

    output: Path
    base_port: int
    sample: Sequence[str] = ()
    train_rm: Sequence[str] = ()
    train_sft: Sequence[str] = ()
    train_grpo: Sequence[str] = ()
    policy: str | None = None


def run_from_agents(job: FromAgentsJob, console: Console) -> None:
    """Run what is not done yet.

    Raises:
        StageFailed: A stage failed.
        TooFewPairs: There is nothing to learn from.
        shared.errors.ZhufuError: The stack could not be started, or died.
    """
    pairs = job.output / "pairs.jsonl"
    reward_model, warm_up, policy = (job.output / name for name in ("reward-model", "warm-up", "policy"))
    job.output.mkdir(parents=True, exist_ok=True)

    if not _sampled(pairs):
        console.rule("1  The agents write, weigh and choose")
        llm = choose_llm()
        with Stack(
            reward_checkpoint=str(starter_reward_model()), base_port=job.base_port, llm=llm, console=console
        ) as stack:
            resume = ["--resume"] if pairs.with_suffix(".journal").exists() else []
            _run(
                *("sample", "--url", stack.queue_url(AGENTS), "--output", str(pairs), *resume, *job.sample),
                stage="sampling",
                fine=(0, CEILING_REACHED),  # what the tokens sufficed for is gone on with
            )
    found = sum(1 for _ in pairs.open(encoding="utf-8")) if pairs.is_file() else 0
    if found < LEAST_PAIRS:
        raise TooFewPairs(f"{found} preference pairs in {pairs}; {pairs.with_suffix('.summary.json')} says why")

    console.rule(f"2  A reward model from {found} preference pairs")
    _train("rm", reward_model, "--data", str(pairs), *job.train_rm)
    if job.policy is None:
        console.rule("3  A small policy to begin with")
        _train("sft", warm_up, *job.train_sft)
    console.rule("4  The policy climbs that reward model, served, through the queue")
    with Stack(
        reward_checkpoint=str(reward_model / "model"), base_port=job.base_port, llm=None, console=console
    ) as stack:
        reward = f"{REWARD_MODEL}={stack.queue_url(REWARD_MODEL)}"
        model = job.policy or str(warm_up / "model")
        _train("grpo", policy, "--model", model, "--reward", reward, *job.train_grpo)
    for what, path in (("pairs", pairs), ("reward model", reward_model / "model"), ("policy", policy / "model")):
        console.print(f"{what}: {path}", soft_wrap=True, markup=False, highlight=False)


def _sampled(pairs: Path) -> bool:
    """Whether the sampling is done with every prompt."""
    summary = pairs.with_suffix(".summary.json")
    return summary.is_file() and bool(json.loads(summary.read_text(encoding="utf-8"))["complete"])


def _train(kind: str, output: Path, *arguments: str) -> None:
    """Train unless that is done; go on with what was begun."""
    if (output / "report.html").is_file():  # the last thing that a training writes
        return
    resume = ["--resume"] if (output / "run.json").is_file() else []
    _run("train", kind, "--output", str(output), *resume, *arguments, stage=f"train {kind}")


def _run(*arguments: str, stage: str, fine: Sequence[int] = (0,)) -> None:
    """A command of ours at this terminal."""
    command = [sys.executable, "-P", "-m", "trainer.cli", *arguments]
    status = subprocess.run(command, env=project_environment(), check=False).returncode  # noqa: S603 - our own module
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status not in fine:
        raise StageFailed(f"{stage} ended with status {status}; the same command goes on with it")
