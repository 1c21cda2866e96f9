"""The order of prompts in reinforcement learning, undisturbed and resumed."""

from __future__ import annotations

import pytest
from trl.trainer.utils import RepeatSampler

from trainer.grpo_trainer import PassSampler

PROMPTS, PER_STEP, GROUP = 10, 3, 2
STEPS_A_PASS = PROMPTS // PER_STEP


def trl_sampler(*, shuffle: bool = True, seed: int = 7) -> RepeatSampler:
    return RepeatSampler(range(PROMPTS), mini_repeat_count=GROUP, batch_size=PER_STEP, shuffle=shuffle, seed=seed)


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_undisturbed_run_sees_the_prompts_in_the_order_of_trl(shuffle: bool) -> None:
    theirs = trl_sampler(shuffle=shuffle)
    steps_done = 0
    ours = PassSampler(trl_sampler(shuffle=shuffle), lambda: steps_done)
    assert len(ours) == len(theirs) == STEPS_A_PASS * PER_STEP * GROUP
    passes = []
    for _ in range(4):
        passes.append(list(ours))
        assert passes[-1] == list(theirs)
        steps_done += STEPS_A_PASS
    assert (passes[0] != passes[1]) == shuffle


def test_a_resumed_run_sees_the_pass_that_it_is_in() -> None:
    theirs = trl_sampler()
    passes = [list(theirs) for _ in range(4)]
    for step in range(4 * STEPS_A_PASS):
        resumed = PassSampler(trl_sampler(), lambda done=step: done)  # type: ignore[misc]
        assert list(resumed) == passes[step // STEPS_A_PASS], step


def test_another_seed_is_another_order() -> None:
    assert list(PassSampler(trl_sampler(seed=1), int)) != list(PassSampler(trl_sampler(seed=2), int))
