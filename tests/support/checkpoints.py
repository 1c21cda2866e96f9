"""Reward model checkpoints for tests: random weights, made in a second, read like any other."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForSequenceClassification, set_seed

CHARACTERS = "给外婆的八十岁生日祝福快乐，。！您只管坐着吃长寿面碗我们来洗abcdefghijklmnopqrstuvwxyz0123456789 "
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<user>{{ message['content'] }}"
    "{% else %}<assistant>{{ message['content'] }}<eos>{% endif %}{% endfor %}"
)


def random_checkpoint(folder: Path, *, seed: int = 0, labels: int = 1, positions: int = 512) -> Path:
    """A one-layer model that tells any two texts apart somehow."""
    special = ["<pad>", "<eos>", "<unk>", "<user>", "<assistant>"]
    vocabulary = {token: number for number, token in enumerate([*special, *sorted(set(CHARACTERS))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<assistant>"],
        chat_template=TEMPLATE,
        model_max_length=positions,
    )
    set_seed(seed)
    config = Qwen3Config(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=positions,
        pad_token_id=fast.pad_token_id,
    )
    config.num_labels = labels
    model = Qwen3ForSequenceClassification(config)
    with torch.no_grad():
        model.score.weight.normal_(std=0.5)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
