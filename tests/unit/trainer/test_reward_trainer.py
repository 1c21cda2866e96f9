from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.stats import pearsonr
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from shared.errors import InvalidData
from trainer.reward_trainer import (
    BAD,
    GOOD,
    UNLABELLED,
    GroupCollator,
    Odin,
    add_length_head,
    correlation,
    equal_length_loss,
    group_weights,
    keep_quality_head,
    logits_by_length,
    odin_penalty,
)


def small_bert(labels: int) -> Any:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        pad_token_id=0,
    )
    config.num_labels = labels
    return BertForSequenceClassification(config).eval()


def row(better: int, *worse: int) -> dict[str, Any]:
    sizes = [better, *worse]
    return {
        "chosen_ids": list(range(1, better + 1)),
        "rejected_ids": [list(range(2, size + 2)) for size in worse],
        "characters": sizes,
        "labels": [GOOD, *[BAD if size % 2 else UNLABELLED for size in worse]],
        "length": max(sizes),
    }


def test_a_batch_has_each_better_text_once_and_says_whose_each_worse_text_is() -> None:
    batch = GroupCollator()([row(3, 2, 4), row(1, 5)])
    assert batch["input_ids"].shape == (5, 5)
    assert batch["attention_mask"].sum(dim=1).tolist() == [3, 1, 2, 4, 5]
    assert batch["owner"].tolist() == [0, 0, 1]
    assert batch["characters"].tolist() == [3, 1, 2, 4, 5]
    assert batch["labels"].tolist() == [GOOD, GOOD, UNLABELLED, UNLABELLED, BAD]
    assert batch["input_ids"][4].tolist() == [2, 3, 4, 5, 6]


def test_every_group_weighs_the_same() -> None:
    weights = group_weights(torch.tensor([0, 0, 0, 1]), 2)
    assert weights.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert weights.sum().item() == pytest.approx(1)


def test_good_texts_stand_against_bad_ones_of_about_their_length_and_no_others() -> None:
    rewards = torch.tensor([2.0, 1.0, 0.5, 9.0, 7.0], requires_grad=True)
    characters = torch.tensor([10.0, 30.0, 12.0, 20.0, 10.0])
    labels = torch.tensor([GOOD, GOOD, BAD, BAD, UNLABELLED])
    loss = equal_length_loss(rewards, characters, labels)
    assert loss.item() == pytest.approx(-torch.nn.functional.logsigmoid(torch.tensor(1.5)).item())
    (gradient,) = torch.autograd.grad(loss, rewards)
    assert [value != 0 for value in gradient.tolist()] == [True, False, True, False, False]


def test_where_none_are_equally_long_nothing_is_added() -> None:
    rewards = torch.tensor([2.0, 1.0], requires_grad=True)
    loss = equal_length_loss(rewards, torch.tensor([10.0, 30.0]), torch.tensor([GOOD, BAD]))
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, rewards)
    assert gradient.tolist() == [0, 0]


def test_texts_scored_in_parts_get_what_they_get_together() -> None:
    model = small_bert(1)
    batch = GroupCollator()([row(1 + number % 9, 1 + number % 7) for number in range(30)])
    mask = batch["attention_mask"]
    with torch.no_grad():
        parts = logits_by_length(model, batch["input_ids"], mask, pad_id=0)
        whole = model(input_ids=batch["input_ids"] * mask, attention_mask=mask).logits
    assert parts.shape == (60, 1)
    assert torch.allclose(parts, whole, atol=1e-5)


def test_correlation_is_pearsons_and_nothing_varying_correlates_with_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(40, generator=generator), torch.randn(40, generator=generator)
    assert correlation(first, second).item() == pytest.approx(pearsonr(first.numpy(), second.numpy())[0], abs=1e-5)
    assert correlation(torch.ones(5), torch.arange(5.0)).item() == 0


def test_the_penalty_is_least_where_only_the_second_head_knows_the_length() -> None:
    characters = torch.tensor([1.0, 2.0, 3.0, 4.0])
    flat = torch.tensor([1.0, -1.0, -1.0, 1.0])  # says nothing of length
    apart, alike = torch.eye(2), torch.ones(2, 2)
    best = odin_penalty(torch.stack([flat, characters], dim=1), characters, apart, Odin())
    swapped = odin_penalty(torch.stack([characters, flat], dim=1), characters, apart, Odin())
    same_direction = odin_penalty(torch.stack([flat, characters], dim=1), characters, alike, Odin())
    assert best.item() == pytest.approx(-1, abs=1e-5)
    assert swapped.item() == pytest.approx(1, abs=1e-5)
    assert same_direction.item() == pytest.approx(0, abs=1e-5)


def test_of_two_heads_the_first_is_kept_and_was_there_before() -> None:
    model = small_bert(1)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        add_length_head(model)
        both = model(input_ids=ids).logits
        keep_quality_head(model)
        after = model(input_ids=ids).logits
    assert both.shape == (1, 2)
    assert both[0, 0].item() == pytest.approx(before.item(), abs=1e-6)
    assert after.tolist() == before.tolist()
    assert model.config.num_labels == 1


def test_a_model_without_a_linear_head_is_refused() -> None:
    model = small_bert(1)
    model.classifier = nn.Sequential(model.classifier)
    with pytest.raises(InvalidData, match="no linear head"):
        add_length_head(model)
