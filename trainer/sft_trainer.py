"""TRL's SFTTrainer with two additions: batches of about equally long rows, and contexts with mistakes in them.

A small model that has only ever read faultless contexts writes nonsense from its first odd character on: prompt and
beginning then agree with nothing it has seen. With some characters of the context replaced, the labels unchanged, it
learns to go on from what is still there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import PreTrainedTokenizerBase
from trl import SFTTrainer

BATCHES_SORTED_TOGETHER = 50


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

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        data: Any = self.train_dataset if train_dataset is None else train_dataset
        lengths = [len(ids) for ids in data["input_ids"]]
        rows = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return LengthGroupedSampler(lengths, rows, seed=self.args.seed)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Replace tokens, then as ever."""
        ids = inputs["input_ids"]
        if self._noise:
            ids = disturbed(ids, self._special_ids, self._unknown_id, self._noise)
        loss: torch.Tensor = super().training_step(  # type: ignore[no-untyped-call]
            model, {**inputs, "input_ids": ids}, num_items_in_batch
        )
        return loss


class LengthGroupedSampler(Sampler[int]):
    """Batches of about equally long rows, in random order; another one in each pass.

    transformers' own takes its order from the global random state, and a resumed run does not find it again; this one
    is told the pass (``set_epoch``), as accelerate does.

    Args:
        lengths: Of all rows.
        batch_size: Rows of one optimizer step.
        seed: Same seed and pass, same order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, *, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Which pass comes next, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        order = torch.randperm(len(self._lengths), generator=generator).tolist()
        together = BATCHES_SORTED_TOGETHER * self._batch_size
        order = [
            row
            for begin in range(0, len(order), together)
            for row in sorted(order[begin : begin + together], key=self._lengths.__getitem__)
        ]
        batches = [order[begin : begin + self._batch_size] for begin in range(0, len(order), self._batch_size)]
        whole = batches[: len(order) // self._batch_size]  # one that is not whole stays last
        for place in torch.randperm(len(whole), generator=generator).tolist():
            yield from whole[place]
        for batch in batches[len(whole) :]:
            yield from batch


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
