"""Models for tests of training: as small as models can be, and trained in a second."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from trainer.data.formats import PROMPT_PREFIX
from trainer.data.records import PreferencePair
from trainer.data.starter import load_starter
from trainer.presets import GRPO, REWARD_MODEL, SFT, GrpoPreset, RewardModelPreset, SftPreset
from trainer.tiny import TinyShape, make_tiny_model

SHAPE = TinyShape(hidden_size=32, layers=1, heads=2)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: quicker for models of this size, and the same sums in every process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def starter_pairs(count: int = 64) -> list[PreferencePair]:
    """The first pairs of the starter set."""
    return [row.pair for row in load_starter("train")[:count]]


def tiny_model(folder: Path, texts: Sequence[str] = (), *, seed: int = 0) -> Path:
    """An untrained model that knows the characters of the starter set, and of more texts."""
    known = [text for row in load_starter("train") for text in (row.prompt, row.chosen, row.rejected)]
    return make_tiny_model(folder, [*known, PROMPT_PREFIX, *texts], seed=seed, shape=SHAPE)


def small_grpo(**changes: object) -> GrpoPreset:
    """Steps of 16 short rollouts, none of them masked, and a learning rate that shows."""
    small = dataclasses.replace(
        GRPO["laptop"],
        learning_rate=1e-3,
        prompts_per_step=4,
        group_size=4,
        micro_batch_size=16,
        max_completion_tokens=8,
        temperature=1.0,
        max_steps=4,
        mask_truncated=False,
        warmup_ratio=0.0,
    )
    return dataclasses.replace(small, **changes)  # type: ignore[arg-type]


def small_sft(**changes: object) -> SftPreset:
    """Supervised training of a few steps."""
    small = dataclasses.replace(SFT["laptop"], epochs=2, batch_size=8, learning_rate=3e-3, lora=None)
    return dataclasses.replace(small, **changes)  # type: ignore[arg-type]


def small_reward_model(**changes: object) -> RewardModelPreset:
    """A reward model from a few steps, without made-up negatives."""
    small = dataclasses.replace(
        REWARD_MODEL["laptop"], epochs=2, batch_size=8, learning_rate=3e-3, hard_negatives=0, lora=None
    )
    return dataclasses.replace(small, **changes)  # type: ignore[arg-type]


def same_weights(one: Path, other: Path) -> bool:
    """Whether two model folders hold the same numbers, bit for bit."""
    first, second = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
