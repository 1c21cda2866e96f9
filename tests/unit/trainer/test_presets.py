"""Named hyperparameters. The figures asked for here are those of Wei et al. 2025 (arXiv 2508.21476)."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import pytest

from trainer.data.formats import PROMPT_PREFIX
from trainer.grpo import GrpoJob, grpo_config
from trainer.presets import DEFAULT_PRESET, GRPO, REWARD_MODEL, SFT, GrpoPreset, LoraPreset, PresetName
from trainer.rewards import RewardSpec
from trainer.sft import lora_config

REWARDS = [RewardSpec(name="judge", url="http://judge", weight=1.0), RewardSpec(name="s", url="http://s", weight=0.0)]


def job(preset: GrpoPreset) -> GrpoJob:
    return GrpoJob(model="m", prompts=["p"], rewards=REWARDS, preset=preset, seed=5, save_steps=7)


def test_the_reward_model_of_the_paper() -> None:
    paper = REWARD_MODEL["paper"]
    assert paper.lora == LoraPreset(rank=16, alpha=32)
    assert paper.learning_rate == 2e-4
    assert paper.warmup_ratio == 0.1
    assert paper.epochs == 5
    assert (paper.batch_size, paper.gradient_accumulation) == (16, 8)
    assert paper.hard_negatives == 0, "the paper trains on its pairs alone"
    assert paper.center_rewards is None


def test_adapters_are_on_all_linear_layers() -> None:
    lora = lora_config(REWARD_MODEL["paper"].lora, "SEQ_CLS")
    assert lora is not None
    assert (lora.r, lora.target_modules) == (16, "all-linear")
    assert lora_config(None, "SEQ_CLS") is None


def test_the_reinforcement_learning_of_the_paper() -> None:
    paper = GRPO["paper"]
    assert (paper.prompts_per_step, paper.group_size) == (32, 4)
    assert (paper.max_prompt_tokens, paper.max_completion_tokens) == (256, 512)
    assert paper.learning_rate == 3e-7
    assert paper.kl_weight == 0.001
    assert paper.epochs == 5
    assert paper.max_steps == -1, "the epochs decide"
    assert paper.prompt_prefix == PROMPT_PREFIX
    assert paper.loss == "grpo"


def test_prompts_of_supervised_training_and_reinforcement_learning_are_alike() -> None:
    for name in typing.get_args(PresetName):
        assert SFT[name].prompt_prefix == GRPO[name].prompt_prefix


def test_trl_is_told_what_the_preset_says(tmp_path: Path) -> None:
    config = grpo_config(job(GRPO["paper"]), str(tmp_path))
    assert config.generation_batch_size == 32 * 4
    assert config.num_generations == 4
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 32 * 4
    assert config.steps_per_generation == config.gradient_accumulation_steps, "one step uses one generation"
    assert config.num_iterations == 1
    assert (config.beta, config.learning_rate, config.max_completion_length) == (0.001, 3e-7, 512)
    assert config.entropy_coef == 0
    assert config.reward_weights == [1.0, 0.0]
    assert config.scale_rewards == "group"
    assert config.multi_objective_aggregation == "sum_then_normalize", "else two rewards are not added as they are"
    assert not config.gradient_checkpointing
    assert (config.seed, config.save_steps) == (5, 7)


@pytest.mark.parametrize(("prompts", "group", "micro"), [(5, 6, 16), (5, 8, 16), (7, 7, 64), (32, 4, 16), (1, 2, 64)])
def test_every_rollout_of_a_step_is_used_whatever_the_numbers(
    tmp_path: Path, prompts: int, group: int, micro: int
) -> None:
    preset = dataclasses.replace(GRPO["laptop"], prompts_per_step=prompts, group_size=group, micro_batch_size=micro)
    config = grpo_config(job(preset), str(tmp_path))
    assert config.generation_batch_size == prompts * group
    assert config.per_device_train_batch_size <= micro


def test_the_laptop_is_the_default_and_both_presets_are_complete() -> None:
    assert DEFAULT_PRESET == "laptop"
    for presets in (SFT, REWARD_MODEL, GRPO):
        assert set(presets) == set(typing.get_args(PresetName))
    laptop = GRPO["laptop"]
    assert laptop.mask_truncated, "a completion that ran into the limit teaches nothing"
    assert laptop.kl_weight > 0
    assert laptop.lora is None
