"""Named sets of hyperparameters. ``paper`` is what the paper states; ``laptop`` fits the tiny model on two CPU cores.

Source of ``paper``: Wei et al., EMNLP 2025, arXiv 2508.21476, and its released configuration. Where the paper is silent
(marked below) the value is the default of TRL or of the released training scripts.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from trainer.length_control import LengthControl

PresetName = Literal["laptop", "paper"]
DEFAULT_PRESET: PresetName = "laptop"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoraPreset:
    """Low-rank adapters on all linear layers."""

    rank: int
    alpha: int
    dropout: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SftPreset:
    """Supervised fine-tuning.

    ``muon_learning_rate`` is that of the hidden matrices, which Muon then trains; None gives AdamW all weights.
    ``context_noise`` is the mean share of the context that is replaced, see `trainer.sft_trainer`.
    """

    learning_rate: float
    muon_learning_rate: float | None
    context_noise: float
    epochs: float
    batch_size: int
    gradient_accumulation: int
    warmup_ratio: float
    weight_decay: float
    max_tokens: int
    prompt_prefix: str
    lora: LoraPreset | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RewardModelPreset:
    """Bradley-Terry training of a reward model.

    ``hard_negatives`` is how many made-up bad completions each prompt gets beside its own rejected one. ``batch_size``
    counts groups: a better text and at most ``group_size`` worse ones. ``encoder_layers`` are those of the base ``e5``.
    """

    learning_rate: float
    epochs: float
    batch_size: int
    gradient_accumulation: int
    warmup_ratio: float
    weight_decay: float
    max_tokens: int
    hard_negatives: int
    center_rewards: float | None
    lora: LoraPreset | None
    length_control: LengthControl = LengthControl.NONE
    ngram_prior: bool = False
    group_size: int = 1
    encoder_layers: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GrpoPreset:
    """Group-relative policy optimisation. Each step scores ``prompts_per_step`` times ``group_size`` rollouts."""

    learning_rate: float
    kl_weight: float
    prompts_per_step: int
    group_size: int
    micro_batch_size: int
    max_prompt_tokens: int
    max_completion_tokens: int
    temperature: float
    top_p: float
    epochs: float
    max_steps: int
    mask_truncated: bool
    loss: Literal["grpo", "dr_grpo", "dapo"]
    warmup_ratio: float
    prompt_prefix: str
    lora: LoraPreset | None


SFT: dict[PresetName, SftPreset] = {
    "laptop": SftPreset(
        learning_rate=1.5e-3,
        muon_learning_rate=0.02,
        context_noise=0.1,
        epochs=3,
        batch_size=16,
        gradient_accumulation=1,
        warmup_ratio=0.03,
        weight_decay=0.1,
        max_tokens=256,
        prompt_prefix="",
        lora=None,
    ),
    # The paper names no settings for its SFT cold start; these are LLaMA-Factory's for LoRA, as its files are.
    "paper": SftPreset(
        learning_rate=1e-4,
        muon_learning_rate=None,
        context_noise=0.0,
        epochs=3,
        batch_size=16,
        gradient_accumulation=8,
        warmup_ratio=0.1,
        weight_decay=0.0,
        max_tokens=1024,
        prompt_prefix="请只生成一条祝福语：",
        lora=LoraPreset(rank=16, alpha=32),
    ),
}

REWARD_MODEL: dict[PresetName, RewardModelPreset] = {
    "laptop": RewardModelPreset(
        learning_rate=3e-4,
        epochs=4,
        batch_size=32,
        gradient_accumulation=1,
        warmup_ratio=0.05,
        weight_decay=0.05,
        max_tokens=256,
        hard_negatives=12,
        center_rewards=0.01,
        lora=None,
    ),
    # LoRA r=16 on all linear layers, lr 2e-4, cosine, warm-up 0.1, 5 epochs, batch 16 x accumulation 8, bf16.
    "paper": RewardModelPreset(
        learning_rate=2e-4,
        epochs=5,
        batch_size=16,
        gradient_accumulation=8,
        warmup_ratio=0.1,
        weight_decay=0.0,
        max_tokens=1024,
        hard_negatives=0,
        center_rewards=None,
        lora=LoraPreset(rank=16, alpha=32),
    ),
}

# For the base `e5`, a pretrained encoder.
REWARD_MODEL_E5 = RewardModelPreset(
    learning_rate=2e-4,
    epochs=1.5,
    batch_size=24,
    gradient_accumulation=1,
    warmup_ratio=0.06,
    weight_decay=0.05,
    max_tokens=256,
    hard_negatives=2,
    center_rewards=0.001,
    lora=None,
    length_control=LengthControl.BATCH,
    ngram_prior=True,
    group_size=4,
    encoder_layers=(0, 2, 4, 7, 9, 11),
)

GRPO: dict[PresetName, GrpoPreset] = {
    "laptop": GrpoPreset(
        learning_rate=1e-4,
        kl_weight=0.1,
        prompts_per_step=8,
        group_size=8,
        micro_batch_size=64,
        max_prompt_tokens=64,
        max_completion_tokens=96,
        temperature=0.8,
        top_p=1.0,
        epochs=1,
        max_steps=40,
        mask_truncated=True,
        loss="dr_grpo",
        warmup_ratio=0.05,
        prompt_prefix="",
        lora=None,
    ),
    # 32 prompts a step, 4 completions each, prompt 256 and response 512 tokens, lr 3e-7, KL in the loss 0.001
    # (low-variance estimator, which is TRL's), entropy 0, 5 epochs. The micro-batch decides the memory alone.
    "paper": GrpoPreset(
        learning_rate=3e-7,
        kl_weight=0.001,
        prompts_per_step=32,
        group_size=4,
        micro_batch_size=4,
        max_prompt_tokens=256,
        max_completion_tokens=512,
        temperature=1.0,
        top_p=1.0,
        epochs=5,
        max_steps=-1,
        mask_truncated=False,
        loss="grpo",
        warmup_ratio=0.0,
        prompt_prefix="请只生成一条祝福语：",
        lora=None,
    ),
}
