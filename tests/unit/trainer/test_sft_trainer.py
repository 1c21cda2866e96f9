"""Disturbed contexts: which tokens change, and how many. Batches of like lengths: the order of the rows."""

from __future__ import annotations

import pytest
import torch

from trainer.sft_trainer import LengthGroupedSampler, disturbed

SPECIAL = torch.tensor([0, 1, 2])
UNKNOWN = 2


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def tokens(rows: int = 64, length: int = 200) -> torch.Tensor:
    ids = torch.arange(rows * length).reshape(rows, length) % 500 + 10
    ids[:, ::7] = 1
    ids[:, -5:] = 0
    return ids


def test_the_mean_share_is_as_asked_and_special_tokens_stay() -> None:
    ids = tokens()
    noisy = disturbed(ids, SPECIAL, UNKNOWN, 0.15)
    ordinary = ids > 2
    assert torch.equal(noisy[~ordinary], ids[~ordinary])
    assert 0.1 < (noisy != ids)[ordinary].float().mean() < 0.2


def test_rows_differ_in_how_much_is_replaced() -> None:
    ids = tokens()
    shares = (disturbed(ids, SPECIAL, UNKNOWN, 0.15) != ids).float().mean(dim=1)
    assert shares.min() < 0.05
    assert shares.max() > 0.2


def test_half_of_the_new_tokens_are_unknown_and_the_others_come_from_the_batch() -> None:
    ids = tokens()
    noisy = disturbed(ids, SPECIAL, UNKNOWN, 0.5)
    new = noisy[noisy != ids]
    assert 0.4 < (new == UNKNOWN).float().mean() < 0.6
    assert set(new.tolist()) - {UNKNOWN} <= set(ids[ids > 2].tolist())


def test_a_tokenizer_without_an_unknown_token_draws_all_from_the_batch() -> None:
    ids = tokens()
    noisy = disturbed(ids, SPECIAL, None, 0.5)
    assert not torch.equal(noisy, ids)
    assert set(noisy.flatten().tolist()) <= set(ids.flatten().tolist())


def test_nothing_but_special_tokens_stays_as_it_is() -> None:
    ids = torch.zeros(3, 4, dtype=torch.long)
    assert torch.equal(disturbed(ids, SPECIAL, UNKNOWN, 0.5), ids)


def test_the_given_tensor_is_not_changed() -> None:
    ids = tokens()
    before = ids.clone()
    disturbed(ids, SPECIAL, UNKNOWN, 0.5)
    assert torch.equal(ids, before)


LENGTHS = [int(length) for length in torch.randint(5, 90, (1003,), generator=torch.Generator().manual_seed(1))]


def test_every_row_comes_once_in_each_pass() -> None:
    sampler = LengthGroupedSampler(LENGTHS, 16, seed=0)
    assert sorted(sampler) == list(range(len(LENGTHS)))
    assert len(sampler) == len(LENGTHS)


def test_rows_of_a_batch_are_about_equally_long_and_batches_are_not_in_order_of_length() -> None:
    order = list(LengthGroupedSampler(LENGTHS, 16, seed=0))
    batches = [[LENGTHS[row] for row in order[begin : begin + 16]] for begin in range(0, 992, 16)]
    assert sum(max(batch) - min(batch) for batch in batches) / len(batches) < 5
    longest = [max(batch) for batch in batches]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


def test_each_pass_has_its_own_order_and_finds_it_again() -> None:
    sampler = LengthGroupedSampler(LENGTHS, 16, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert first != second
    resumed = LengthGroupedSampler(LENGTHS, 16, seed=0)
    resumed.set_epoch(1)
    assert list(resumed) == second
