"""TRL's RewardTrainer for one text against several worse ones, with ODIN's length head where it is asked for.

Each row of the data set is a group: a better text and all that are worse. The better one is encoded once for all of
them (as Ouyang et al. 2022, section 3.5, do for the completions of one prompt); with three worse texts that is a third
less to compute than three pairs. Texts of about one length go through the model together, so that little is padded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from trl import RewardConfig, RewardTrainer

from shared.errors import InvalidData
from trainer.data.lengths import CLOSE

COLUMNS = ("chosen_ids", "rejected_ids", "characters", "labels", "length")
"""Of the data set: token ids, those of each worse text, characters and labels of all texts, tokens of the longest."""
GOOD, BAD, UNLABELLED = 1, 0, -1
"""Labels: good and bad in people's eyes, whatever it is compared with; made up from another text."""
TEXTS_AT_ONCE = 16
"""On a CPU: more of them only means more padding."""
SMALLEST_SPREAD = 1e-6
HEADS = ("classifier", "score")
"""What transformers' sequence-classification models call the layer that gives the logits."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Odin:
    """Two heads on one body: one may tell length, the other must not. Only the second is kept.

    Source: Chen et al., "ODIN: Disentangled Reward Mitigates Hacking in RLHF" (ICML 2024), equations 4 to 7.

    Attributes:
        length_weight: Of |corr(quality, length)| - corr(length head, length), Pearson's within a batch.
        orthogonality_weight: Of the absolute cosine between the weights of the two heads.
    """

    length_weight: float = 1.0
    orthogonality_weight: float = 1.0


class GroupCollator:
    """Puts the texts of a batch in one list: all better ones, then all worse ones, group by group."""

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """``owner[i]`` is the row of the better text that the i-th worse text stands against."""
        worse = [(place, ids) for place, row in enumerate(rows) for ids in row["rejected_ids"]]
        texts = [row["chosen_ids"] for row in rows] + [ids for _, ids in worse]
        characters, labels = (
            [row[name][0] for row in rows] + [value for row in rows for value in row[name][1:]]
            for name in ("characters", "labels")
        )
        longest = max(map(len, texts))
        ids = torch.zeros((len(texts), longest), dtype=torch.long)
        mask = torch.zeros((len(texts), longest), dtype=torch.long)
        for place, text in enumerate(texts):
            ids[place, : len(text)] = torch.tensor(text, dtype=torch.long)
            mask[place, : len(text)] = 1
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "owner": torch.tensor([place for place, _ in worse], dtype=torch.long),
            "characters": torch.tensor(characters, dtype=torch.float32),
            "labels": torch.tensor(labels, dtype=torch.long),
        }


class GroupRewardTrainer(RewardTrainer):
    """Bradley-Terry over groups; each group weighs the same, however many worse texts it has.

    Where ``equal_length_weight`` is not zero, the mean of `equal_length_loss` counts so much beside them.
    """

    def __init__(self, *args: Any, odin: Odin | None = None, equal_length_weight: float = 0.0, **kwargs: Any) -> None:
        kwargs["data_collator"] = GroupCollator()
        super().__init__(*args, **kwargs)
        self._odin = odin
        self._equal_length_weight = equal_length_weight
        self._pad_id = int(self.processing_class.pad_token_id)  # type: ignore[union-attr]  # it is a tokenizer
        self._center = cast("RewardConfig", self.args).center_rewards_coefficient

    def _set_signature_columns_if_needed(self) -> None:
        if self._signature_columns is None:
            self._signature_columns = list(COLUMNS)  # type: ignore[assignment]  # declared as None

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch; TRL's figures (accuracy, margin, rewards) are logged as it does."""
        mode = "train" if model.training else "eval"
        owner, characters = inputs["owner"], inputs["characters"]
        heads = logits_by_length(model, inputs["input_ids"], inputs["attention_mask"], self._pad_id)
        quality = heads[:, 0]
        total = heads.sum(dim=1)
        groups = len(quality) - len(owner)
        better, worse = total[:groups][owner], total[groups:]
        weights = group_weights(owner, groups)
        loss = -(nn.functional.logsigmoid(better - worse) * weights).sum()
        if self._center is not None:
            loss = loss + self._center * ((better + worse) ** 2 * weights).sum()
        if self._odin is not None:
            loss = loss + odin_penalty(heads, characters, _head_weight(model), self._odin)
        if self._equal_length_weight:
            loss = loss + self._equal_length_weight * equal_length_loss(total, characters, inputs["labels"])
        self._note(mode, inputs["attention_mask"], quality, quality[:groups][owner], quality[groups:])
        return (loss, {"logits": quality}) if return_outputs else loss

    def _note(self, mode: str, mask: Tensor, rewards: Tensor, better: Tensor, worse: Tensor) -> None:
        """TRL's metrics, under its names."""
        if mode == "train":
            self._total_train_tokens += int(self.accelerator.gather_for_metrics(mask.sum()).sum().item())
        metrics = self._metrics[mode]
        metrics["num_tokens"] = [self._total_train_tokens]
        with torch.no_grad():
            gathered = self.accelerator.gather(rewards.detach().mean())
            metrics["mean_reward"].append(gathered.mean().item())
            metrics["min_reward"].append(self.accelerator.gather(rewards.detach().min()).min().item())
            metrics["max_reward"].append(self.accelerator.gather(rewards.detach().max()).max().item())
            for name, value in (("accuracy", (better > worse).float()), ("margin", better - worse)):
                metrics[name].append(self.accelerator.gather_for_metrics(value.mean()).mean().item())


def group_weights(owner: Tensor, groups: int) -> Tensor:
    """``(worse,)``: so that each group counts once and all weights sum to one."""
    sizes = torch.bincount(owner, minlength=groups).to(torch.float32)
    return 1.0 / (sizes[owner] * (sizes > 0).sum())


def equal_length_loss(rewards: Tensor, characters: Tensor, labels: Tensor) -> Tensor:
    """Bradley-Terry, mean over each good text against each bad one that is close in length; 0 where there are none.

    It is what the length-stratified AUC counts, made smooth, and costs no further encoding.

    Args:
        rewards: ``(texts,)``.
        characters: ``(texts,)``.
        labels: ``(texts,)``: `GOOD`, `BAD` or `UNLABELLED`.
    """
    good, bad = labels == GOOD, labels == BAD
    long, other = characters[good][:, None], characters[bad][None]
    close = (long - other).abs() <= CLOSE * torch.maximum(long, other)
    losses = -nn.functional.logsigmoid(rewards[good][:, None] - rewards[bad][None])
    mean: Tensor = (losses * close).sum() / close.sum().clamp_min(1)
    return mean


def logits_by_length(model: Any, ids: Tensor, mask: Tensor, pad_id: int) -> Tensor:
    """``(texts, heads)``; on a CPU in parts of about the same length, on a GPU at once.

    Args:
        model: A sequence-classification model.
        ids: ``(texts, tokens)``, padded on the right with anything.
        mask: ``(texts, tokens)``, 1 where there is text.
        pad_id: What the model takes for padding.
    """
    ids = ids.masked_fill(mask == 0, pad_id)
    if ids.device.type != "cpu" or len(ids) <= TEXTS_AT_ONCE:
        return _as_heads(model(input_ids=ids, attention_mask=mask).logits)
    order = mask.sum(dim=1).argsort()
    parts = []
    for part in torch.split(order, TEXTS_AT_ONCE):
        longest = int(mask[part].sum(dim=1).max())
        logits = model(input_ids=ids[part, :longest], attention_mask=mask[part, :longest]).logits
        parts.append(_as_heads(logits))
    return torch.cat(parts)[order.argsort()]


def odin_penalty(heads: Tensor, characters: Tensor, weight: Tensor, odin: Odin) -> Tensor:
    """What `Odin` says, of one batch.

    Args:
        heads: ``(texts, 2)``: quality, length.
        characters: ``(texts,)``.
        weight: ``(2, hidden)``, of the two heads.
        odin: How much each part weighs.
    """
    quality, length = correlation(heads[:, 0], characters), correlation(heads[:, 1], characters)
    cosine = nn.functional.cosine_similarity(weight[0], weight[1], dim=0)
    penalty: Tensor = odin.length_weight * (quality.abs() - length) + odin.orthogonality_weight * cosine.abs()
    return penalty


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Pearson's; 0 where one of the two does not vary."""
    one, other = first - first.mean(), second - second.mean()
    spread = one.norm() * other.norm()
    pearson: Tensor = (one * other).sum() / spread.clamp_min(SMALLEST_SPREAD)
    return pearson


def add_length_head(model: Any) -> None:
    """Let the layer that gives the logit give two: the first as it was, the second for the length.

    The configuration goes on saying one label: that is what will be left, and what TRL insists on.
    """
    name, head = _head(model)
    both = nn.Linear(head.in_features, 2, bias=head.bias is not None).to(head.weight.device, head.weight.dtype)
    with torch.no_grad():
        both.weight[:1].copy_(head.weight)
        both.weight[1].normal_(std=float(model.config.initializer_range))
        if head.bias is not None:
            both.bias.zero_()
            both.bias[:1].copy_(head.bias)
    setattr(model, name, both)


def keep_quality_head(model: Any) -> None:
    """Undo `add_length_head`, when all is trained."""
    name, head = _head(model)
    kept = nn.Linear(head.in_features, 1, bias=head.bias is not None).to(head.weight.device, head.weight.dtype)
    with torch.no_grad():
        kept.weight.copy_(head.weight[:1])
        if head.bias is not None:
            kept.bias.copy_(head.bias[:1])
    setattr(model, name, kept)


def _head(model: Any) -> tuple[str, nn.Linear]:
    """The linear layer that gives the logits and its name: ``classifier`` or ``score`` in transformers' models."""
    for name in HEADS:
        module = getattr(model, name, None)
        if isinstance(module, nn.Linear):
            return name, module
    raise InvalidData(type(model).__name__, f"has no linear head called {' or '.join(HEADS)} that could be split")


def _head_weight(model: Any) -> Tensor:
    plain = model
    while not any(hasattr(plain, name) for name in HEADS):
        plain = plain.module if hasattr(plain, "module") else plain.get_base_model()
    module = getattr(plain, "classifier", None) or plain.score
    if hasattr(module, "modules_to_save"):  # peft keeps the trained head beside the original one
        module = next(iter(module.modules_to_save.values()))
    weight: Tensor = module.weight
    return weight


def _as_heads(logits: Tensor) -> Tensor:
    return logits if logits.dim() == 2 else logits.unsqueeze(-1)
