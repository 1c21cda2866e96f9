"""Supervised fine-tuning on contexts with mistakes in them, so that a policy goes on well after one of its own.

A small model that has only ever read faultless contexts writes nonsense from its first odd character on: prompt and
beginning then agree with nothing it has seen. With some characters of the context replaced, the labels unchanged, it
learns to go on from what is still there.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedTokenizerBase
from trl import SFTTrainer


class NoisySFTTrainer(SFTTrainer):
    """TRL's trainer, its inputs disturbed in training (not in evaluation).

    Args:
        context_noise: Mean share of the tokens that are replaced; each row has its own, from none to twice this.
    """

    def __init__(self, *, processing_class: PreTrainedTokenizerBase, context_noise: float, **kwargs: Any) -> None:
        super().__init__(processing_class=processing_class, **kwargs)
        self._noise = context_noise
        self._special_ids = torch.tensor(sorted(set(processing_class.all_special_ids)))
        self._unknown_id: int | None = processing_class.unk_token_id  # None where a tokenizer knows all bytes

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Replace tokens, then as ever."""
        ids = inputs["input_ids"]
        if self._noise:
            ids = disturbed(ids, self._special_ids, self._unknown_id, self._noise)
        loss: torch.Tensor = super().training_step(  # type: ignore[no-untyped-call]
            model, {**inputs, "input_ids": ids}, num_items_in_batch
        )
        return loss


def disturbed(ids: torch.Tensor, special_ids: torch.Tensor, unknown_id: int | None, share: float) -> torch.Tensor:
    """``ids`` (batch, length) with some tokens replaced; special ones (padding, roles, end) stay as they are.

    Half of the new tokens are drawn from the batch, half are ``unknown_id``; all from the batch where it is None.
    """
    ordinary = ~torch.isin(ids, special_ids.to(ids.device))
    pool = ids[ordinary]
    if pool.numel() == 0:
        return ids
    rate = 2 * share * torch.rand(len(ids), 1, device=ids.device)
    replaced = ordinary & (torch.rand(ids.shape, device=ids.device) < rate)
    drawn = pool[torch.randint(len(pool), ids.shape, device=ids.device)]
    if unknown_id is not None:
        drawn = torch.where(torch.rand(ids.shape, device=ids.device) < 0.5, drawn, unknown_id)
    return torch.where(replaced, drawn, ids)
