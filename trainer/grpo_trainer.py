"""TRL's GRPOTrainer, with an order of prompts that a resumed run finds again.

TRL's sampler draws one permutation of the prompts for each pass, from a generator that a checkpoint does not keep: a
run resumed in its second pass would see the prompts in the order of the first. (For other trainers, transformers tells
the sampler which pass it is; this sampler cannot be told.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from trl import GRPOTrainer
from trl.trainer.utils import RepeatSampler


class PassSampler(RepeatSampler):
    """TRL's sampler, which draws the permutation of the pass that it is asked for.

    Args:
        like: TRL's `RepeatSampler`, whose order this one has; with a seed.
        steps_done: How many optimizer steps the run has behind it; one step takes one batch of the sampler.
    """

    def __init__(self, like: Any, steps_done: Callable[[], int]) -> None:
        super().__init__(
            data_source=like.data_source,
            mini_repeat_count=like.mini_repeat_count,
            batch_size=like.batch_size,
            repeat_count=like.repeat_count,
            shuffle=like.shuffle,
            seed=like.seed,
        )
        self._pass_seed: int = like.seed
        self._steps_done = steps_done

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            self.generator.manual_seed(self._pass_seed)
            passes_done = self._steps_done() // (self.num_samples // self.batch_size)
            for _ in range(passes_done):
                torch.randperm(self.num_samples, generator=self.generator)
        yield from super().__iter__()  # type: ignore[no-untyped-call]


class ResumableGRPOTrainer(GRPOTrainer):
    """For configurations in which one optimizer step uses one generation, as `trainer.grpo.grpo_config` makes them."""

    def _get_train_sampler(self, dataset: Any = None) -> PassSampler:
        return PassSampler(super()._get_train_sampler(dataset), lambda: int(self.state.global_step))
