"""How long a GRPO step waits for its rewards: with one, two and three of them, by URL and by queue."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import torch
from rich.console import Console

from benchmarks.context import Context
from benchmarks.processes import BenchmarkFailed, Worker, redis_server, service, worker
from benchmarks.report import installed
from benchmarks.tables import Section, spread
from trainer.checkpoints import starter_reward_model
from trainer.presets import GRPO

Door = Literal["URL", "queue"]

STEPS, QUICK_STEPS = 5, 2
WARM_STEPS: Final = 1
"""Of each run, left out: the first step also pays for what is done once."""
NOOP: Final = "noop"
MODEL: Final = "reward_model"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """A reward service that runs, and both ways to it."""

    name: str
    url: str
    queue: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One training run: which rewards, by which door."""

    title: str
    rewards: tuple[str, ...]
    door: Door


CASES: Final = tuple(
    Case(title=f"{title}, by {door}", rewards=rewards, door=door)
    for title, rewards in (
        ("1: does nothing", (NOOP,)),
        ("2: do nothing", (NOOP, f"{NOOP}_2")),
        ("3: do nothing", (NOOP, f"{NOOP}_2", f"{NOOP}_3")),
        ("1: the reward model", (MODEL,)),
        ("2: the reward model, and one that does nothing", (MODEL, NOOP)),
        ("3: the reward model, and two that do nothing", (MODEL, NOOP, f"{NOOP}_2")),
    )
    for door in ("URL", "queue")
)
QUICK_CASES: Final = tuple(case for case in CASES if case.rewards == (NOOP,))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The steps of one run that count: seconds of each, and those of them spent waiting for rewards."""

    seconds: Sequence[float]
    waited: Sequence[float]

    @property
    def share(self) -> float:
        """Of all steps together."""
        return sum(self.waited) / sum(self.seconds)


async def run(context: Context) -> Section:
    """Train with each set of rewards; `BenchmarkFailed` where a run fails or a rollout got no reward."""
    folder = context.folder
    steps = QUICK_STEPS if context.quick else STEPS
    cases = QUICK_CASES if context.quick else CASES
    done: dict[str, Steps] = {}
    async with (
        redis_server(folder) as redis_url,
        _rewards(cases, redis_url, folder) as rewards,
        worker("benchmarks.grpo_runs", folder / "trainer.log", str(folder)) as trainer,
    ):
        for case in cases:
            used = [rewards[name] for name in case.rewards]
            done[case.title] = await _train(trainer, case, used, steps, quick=context.quick)
            _log(context.console, case, done[case.title])
    return section(done, steps)


@contextlib.asynccontextmanager
async def _rewards(cases: Sequence[Case], redis_url: str, folder: Path) -> AsyncIterator[dict[str, Reward]]:
    names = list(dict.fromkeys(name for case in cases for name in case.rewards))
    rewards: dict[str, Reward] = {}
    async with contextlib.AsyncExitStack() as stack:
        for name in names:
            module, settings = _service_of(name)
            log = folder / f"{name}.log"
            url = await stack.enter_async_context(service(module, log, {**settings, "redis_url": redis_url}))
            rewards[name] = Reward(name=name, url=url, queue=f"{redis_url}?reward={name}")
        yield rewards


def _service_of(name: str) -> tuple[str, dict[str, object]]:
    if name == MODEL:
        return "services.reward_model.app", {"reward_model_checkpoint": starter_reward_model()}
    return "benchmarks.noop_service", {"noop_name": name}


async def _train(trainer: Worker, case: Case, rewards: Sequence[Reward], steps: int, *, quick: bool) -> Steps:
    """One run, in the process that trains."""
    urls = {reward.name: reward.url if case.door == "URL" else reward.queue for reward in rewards}
    done = await trainer.ask(do=case.title, rewards=urls, steps=steps, small=quick)
    return steps_of(done["history"], list(urls), skip=0 if quick else WARM_STEPS)


def steps_of(history: Sequence[Mapping[str, float]], rewards: Sequence[str], *, skip: int) -> Steps:
    """The steps after the first ``skip``. Raises `BenchmarkFailed` where a rollout got no reward."""
    unscored = sum(line[f"unscored/{name}"] for line in history for name in rewards)
    if unscored:
        raise BenchmarkFailed(f"{unscored:g} rollouts got no reward")
    kept = history[skip:]
    return Steps(seconds=[line["step_time"] for line in kept], waited=[line["reward_wait_seconds"] for line in kept])


def _log(console: Console, case: Case, done: Steps) -> None:
    console.log(f"training, {case.title}: {100 * done.share:.2f} % of a step waits for rewards")


def section(done: Mapping[str, Steps], steps: int) -> Section:
    """The table."""
    preset = GRPO["laptop"]
    kept = len(next(iter(done.values())).seconds)
    return Section(
        title="Training: how long a GRPO step waits for its rewards",
        text=(
            f"`train_grpo` with TRL's trainer and the tiny policy (4 M parameters), {preset.prompts_per_step} prompts "
            f"a step with {preset.group_size} completions of {preset.max_completion_tokens} tokens each; every "
            f"completion is scored by every reward. {kept} steps of each run, {steps - kept} before them left out; "
            f"{torch.get_num_threads()} threads (`OMP_NUM_THREADS`); the "
            "step by TRL's own clock (generation, rewards, gradients), the wait from asking all rewards to the last of "
            "their scores. Policy, services and Redis share the cores, so a reward model's own work is "
            "in the wait. The reward model is the starter one. Every rollout was scored."
        ),
        columns=("rewards", "a step, s", "waiting for rewards, ms", "share of the step"),
        rows=[
            [
                title,
                spread(each.seconds, 2),
                spread([1000 * seconds for seconds in each.waited], 1),
                f"{100 * each.share:.2f} %",
            ]
            for title, each in done.items()
        ],
        versions=installed(["torch", "transformers", "trl"]),
    )
