"""How the reward model's work is shared out on a CPU."""

from __future__ import annotations

import pytest

from services.reward_model.cpu import MOST_BATCHES, PADDING_SHARE, for_cpu
from services.reward_model.settings import RewardModelSettings


@pytest.mark.parametrize(("threads", "batches"), [(1, 1), (2, 2), (64, MOST_BATCHES)])
def test_each_core_has_a_batch_of_its_own_up_to_a_few(threads: int, batches: int) -> None:
    settings = for_cpu(RewardModelSettings(checkpoint="any"), threads)
    assert (settings.threads, settings.max_concurrent_batches) == (threads, batches)
    assert settings.max_padding_share == PADDING_SHARE


def test_threads_that_were_given_are_shared_out_whatever_the_machine_has() -> None:
    settings = for_cpu(RewardModelSettings(checkpoint="any", threads=2), 64)
    assert (settings.threads, settings.max_concurrent_batches) == (2, 2)


def test_what_was_given_stays() -> None:
    given = RewardModelSettings(checkpoint="any", max_concurrent_batches=1, max_padding_share=0.15, threads=3)
    assert for_cpu(given, 8) == given
