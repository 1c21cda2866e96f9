"""Reward model checkpoints for tests: random weights, made in a second, read like any other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import Qwen3Config, Qwen3ForSequenceClassification, set_seed

from trainer.tiny import character_tokenizer

CHARACTERS = "给外婆的八十岁生日祝福快乐，。！您只管坐着吃长寿面碗我们来洗abcdefghijklmnopqrstuvwxyz0123456789 "


def random_checkpoint(
    folder: Path, *, texts: Iterable[str] = (CHARACTERS,), seed: int = 0, labels: int = 1, positions: int = 512
) -> Path:
    """A one-layer model that tells any two texts apart somehow, as long as their characters stand in ``texts``."""
    tokenizer = character_tokenizer(texts)
    tokenizer.model_max_length = positions
    set_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id,
    )
    config.num_labels = labels
    model = Qwen3ForSequenceClassification(config)
    with torch.no_grad():
        model.score.weight.normal_(std=0.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
