"""`zhufu from-agents`: pairs from the agents, a reward model from the pairs, a policy from the reward model.

The stages are the commands that one would type, each in a process of its own (`trainer.steps`), with its folder under
the output:

    pairs.jsonl       zhufu sample     the agents' preference pairs, through the queue
    reward-model/     zhufu train rm   what they teach
    warm-up/          zhufu train sft  a policy to begin with, where none is given
    policy/           zhufu train grpo the policy, rewarded by that reward model, served, through the queue

A stage that is done is passed over and one that was cut short is resumed, so that the same command goes on after any
end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from shared.errors import ZhufuError
from trainer.sampling.command import CEILING_REACHED
from trainer.stack import choose_llm
from trainer.stack.services import AGENTS, JUDGE, REWARD_MODEL
from trainer.steps.runner import run_steps
from trainer.steps.serving import Serving
from trainer.steps.step import Mark, ServedUrl, Step, training

LEAST_PAIRS = 2


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

    @property
    def pairs(self) -> Path:
        """Where the agents' pairs go."""
        return self.output / "pairs.jsonl"


def run_from_agents(job: FromAgentsJob, console: Console) -> None:
    """Run what is not done yet.

    Raises:
        TooFewPairs: There is nothing to learn from.
        shared.errors.ZhufuError: A stage failed (`trainer.steps.errors`), or the stack could not be started, or died.
    """
    steps = [sampling(job), *trainings(job)]
    run_steps(steps, job.output, console, base_port=job.base_port, logged=False)
    reward_model, policy = (job.output / name / "model" for name in ("reward-model", "policy"))
    for what, path in (("pairs", job.pairs), ("reward model", reward_model), ("policy", policy)):
        console.print(f"{what}: {path}", soft_wrap=True, markup=False, highlight=False)


def sampling(job: FromAgentsJob) -> Step:
    """The agents' stage. What the tokens sufficed for is gone on with."""
    url = ServedUrl(service=AGENTS, queued=True)
    return Step(
        name="sample",
        title="The agents write, weigh and choose",
        arguments=("sample", "--url", url, "--output", str(job.pairs), *job.sample),
        done=Mark(path=_summary(job.pairs), key="complete"),
        makes=(job.pairs,),
        resume_if=job.pairs.with_suffix(".journal"),
        fine=(0, CEILING_REACHED),
        serving=Serving(rewards=(JUDGE, REWARD_MODEL, AGENTS), llm=choose_llm()),
        check=lambda: check_pairs(job.pairs),
    )


def check_pairs(pairs: Path) -> None:
    """Raise `TooFewPairs` where there is nothing to learn from."""
    found = sum(1 for _ in pairs.open(encoding="utf-8"))
    if found < LEAST_PAIRS:
        raise TooFewPairs(f"{found} preference pairs in {pairs}; {_summary(pairs)} says why")


def trainings(job: FromAgentsJob) -> Iterator[Step]:
    """What is trained on the pairs."""
    reward_model, warm_up = job.output / "reward-model", job.output / "warm-up"
    pairs = ("--data", str(job.pairs))
    yield training("rm", reward_model, (*pairs, *job.train_rm), "A reward model from these pairs", reads=[job.pairs])
    if job.policy is None:
        yield training("sft", warm_up, tuple(job.train_sft), "A small policy to begin with")
    yield training(
        "grpo",
        job.output / "policy",
        (
            *("--model", job.policy or str(warm_up / "model")),
            *("--reward", ServedUrl(service=REWARD_MODEL, queued=True, before=f"{REWARD_MODEL}=")),
            *job.train_grpo,
        ),
        "The policy climbs that reward model, served, through the queue",
        reads=[] if job.policy else [warm_up / "model"],
        serving=Serving(rewards=(REWARD_MODEL,), reward_checkpoint=reward_model / "model"),
    )


def _summary(pairs: Path) -> Path:
    return pairs.with_suffix(".summary.json")
