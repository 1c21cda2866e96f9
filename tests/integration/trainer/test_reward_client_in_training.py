"""What TRL makes of rewards that real services give, and of those that they do not."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from rich.console import Console

import trainer.grpo
from tests.integration.trainer.scripted_reward import fails, reward_of, serving
from tests.integration.trainer.tiny_models import small_grpo, starter_pairs
from tests.support.processes import RedisServer, Service, free_port
from trainer.grpo import GrpoJob, train_grpo
from trainer.grpo_trainer import ResumableGRPOTrainer
from trainer.presets import GrpoPreset
from trainer.rewards import RewardSpec
from trainer.runs import Run

pytestmark = pytest.mark.usefixtures("one_thread")

JUDGE_FAILS, MODEL_FAILS, SHADOW_FAILS = 3, 4, 2
MODEL_WEIGHT = 0.5
GROUP = 4


class RecordingTrainer(ResumableGRPOTrainer):
    """TRL's trainer, which keeps what it was given and what it made of that."""

    texts: list[tuple[str, str]]
    rewards: torch.Tensor
    advantages: torch.Tensor
    made: list[RecordingTrainer]

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Any:
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self.texts = [
            (row["request"], completion[-1]["content"]) for row, completion in zip(inputs, completions, strict=True)
        ]
        self.rewards = rewards.clone()
        return rewards

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        self.advantages = output["advantages"].clone()
        self.made.append(self)
        return output


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RecordingTrainer]]:
    """The trainers that were used, one entry a step."""
    RecordingTrainer.made = []
    monkeypatch.setattr(trainer.grpo, "ResumableGRPOTrainer", RecordingTrainer)
    yield RecordingTrainer.made
    RecordingTrainer.made = []


@pytest.fixture
def services(tmp_path: Path, redis_server: RedisServer) -> Iterator[dict[str, Service]]:
    """Two rewards that fail on some texts, and a shadow that fails on half of them."""
    with contextlib.ExitStack() as stack:
        started = {
            "judge": serving(tmp_path, name="judge", wait=False, fails_one_in=JUDGE_FAILS),
            "model": serving(tmp_path, name="model", wait=False, redis=redis_server, fails_one_in=MODEL_FAILS),
            "shadow": serving(tmp_path, name="shadow", wait=False, fails_one_in=SHADOW_FAILS),
        }
        ready = {name: stack.enter_context(context) for name, context in started.items()}
        for service in ready.values():
            service.wait_until()
        yield ready


def run_of(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", command="test", settings={}, resume=False)


def job_of(model: Path, rewards: Sequence[RewardSpec], preset: GrpoPreset, **options: Any) -> GrpoJob:
    prompts = [pair.prompt for pair in starter_pairs()]
    return GrpoJob(model=str(model), prompts=prompts, rewards=rewards, preset=preset, seed=0, save_steps=100, **options)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def test_a_failed_rollout_gets_no_reward_no_advantage_and_is_counted(
    services: dict[str, Service],
    redis_server: RedisServer,
    recorded: list[RecordingTrainer],
    tiny: Path,
    tmp_path: Path,
    console: Console,
) -> None:
    rewards = [
        RewardSpec(name="shadow", url=services["shadow"].url, weight=0.0),
        RewardSpec(name="judge", url=services["judge"].url, weight=1.0),
        RewardSpec(name="model", url=f"{redis_server.url}?reward=model", weight=MODEL_WEIGHT),
    ]
    preset = small_grpo(max_steps=1, prompts_per_step=8, group_size=GROUP, micro_batch_size=32)
    port = free_port()
    run = run_of(tmp_path)
    counts = train_grpo(
        job_of(tiny, rewards, preset, metrics_port=port, metrics_host="0.0.0.0", max_failed_share=1.0), run, console
    )

    (step,) = recorded
    failed = {
        "judge": [fails("judge", *text, JUDGE_FAILS) for text in step.texts],
        "model": [fails("model", *text, MODEL_FAILS) for text in step.texts],
        "shadow": [fails("shadow", *text, SHADOW_FAILS) for text in step.texts],
    }
    usable = [not (judge or model) for judge, model in zip(failed["judge"], failed["model"], strict=True)]
    assert 4 <= usable.count(False) <= 28
    assert any(judge and not model for judge, model in zip(failed["judge"], failed["model"], strict=True))
    assert any(model and not judge for judge, model in zip(failed["judge"], failed["model"], strict=True))

    # What TRL was given: nothing, in every column, for each rollout that one of the weighted rewards failed on.
    for column, spec in enumerate(rewards):
        given = step.rewards[:, column].tolist()
        for row, text in enumerate(step.texts):
            if usable[row] and not failed[spec.name][row]:
                assert given[row] == pytest.approx(reward_of(spec.name, *text))
            else:
                assert math.isnan(given[row]), (spec.name, row)

    # What TRL made of it: failed ones do not move the policy, and are not in the baseline of the others.
    totals = [reward_of("judge", *text) + MODEL_WEIGHT * reward_of("model", *text) for text in step.texts]
    for begin in range(0, len(totals), GROUP):
        rows = range(begin, begin + GROUP)
        scored = [totals[row] for row in rows if usable[row]]
        for row in rows:
            expected = totals[row] - mean(scored) if usable[row] else 0.0
            assert step.advantages[row].item() == pytest.approx(expected, abs=1e-6)

    # What people and machines are told.
    (line,) = run.history()
    scraped = metrics_on(port)
    for name, column_failed in failed.items():
        assert line[f"unscored/{name}"] == column_failed.count(True)
        scores = [reward_of(name, *text) for text, bad in zip(step.texts, column_failed, strict=True) if not bad]
        assert line[f"scores/{name}"] == pytest.approx(mean(scores))
        assert scraped[f'zhufu_trainer_score{{reward="{name}"}}'] == pytest.approx(mean(scores))
        for status, number in (("failed", column_failed.count(True)), ("scored", column_failed.count(False))):
            assert counts[f"{name}/{status}"] == number
            assert scraped[f'zhufu_trainer_rollouts_total{{reward="{name}",status="{status}"}}'] == number
    assert line["reward"] == pytest.approx(mean([total for total, use in zip(totals, usable, strict=True) if use]))
    assert scraped["zhufu_trainer_reward"] == pytest.approx(line["reward"])
    assert scraped["zhufu_trainer_step_seconds_count"] == 1
    assert scraped["zhufu_trainer_step"] == 1


def metrics_on(port: int) -> dict[str, float]:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30, trust_env=False).text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_shadows_of_any_kind_leave_the_training_as_it_is(
    recorded: list[RecordingTrainer], tiny: Path, tmp_path: Path, console: Console
) -> None:
    outcomes = []
    with serving(tmp_path, name="judge") as judge, serving(tmp_path, name="half", fails_one_in=2) as half:
        counted = RewardSpec(name="judge", url=judge.url, weight=1.0)
        shadows = {
            "none": [],
            "failing": [RewardSpec(name="half", url=half.url, weight=0.0)],
            "away": [RewardSpec(name="away", url=f"http://127.0.0.1:{free_port()}", weight=0.0)],
        }
        for name, others in shadows.items():
            run = Run(tmp_path / f"run-{name}", command="test", settings={}, resume=False)
            job = job_of(tiny, [*others, counted], small_grpo(max_steps=2), outage_seconds=1.0)
            train_grpo(job, run, console)
            outcomes.append(
                (
                    [step.texts for step in recorded],
                    [step.advantages.tolist() for step in recorded],
                    [line["reward"] for line in run.history()],
                    (run.model_folder / "model.safetensors").read_bytes(),
                )
            )
            if others:
                assert [line[f"unscored/{others[0].name}"] > 0 for line in run.history()] == [True, True]
            recorded.clear()
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_a_step_without_any_reward_does_not_move_the_policy_and_says_so(
    recorded: list[RecordingTrainer], tiny: Path, tmp_path: Path, console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    with serving(tmp_path, name="judge", fails_one_in=1) as judge:
        rewards = [RewardSpec(name="judge", url=judge.url, weight=1.0)]
        preset = small_grpo(max_steps=1, kl_weight=0.0)
        run = run_of(tmp_path)
        train_grpo(job_of(tiny, rewards, preset, metrics_port=port, max_failed_share=1.0), run, console)
    (step,) = recorded
    assert step.advantages.tolist() == [0.0] * 16
    (line,) = run.history()
    assert line["unscored/judge"] == 16
    assert "reward" not in line
    assert "scores/judge" not in line
    assert line["loss"] == 0.0
    scraped = metrics_on(port)
    assert math.isnan(scraped["zhufu_trainer_reward"]), "no reward is not a reward of zero"
    # Texts are no business of a log at this level.
    assert not any(completion and completion in caplog.text for _, completion in step.texts)
