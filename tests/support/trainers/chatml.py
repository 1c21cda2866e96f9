"""A tokenizer of characters with ChatML's marks, as an instruct model's: trainers decode and template with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config

PAD, UNK, BEGIN, END = "<|endoftext|>", "<unk>", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{% for message in messages %}" + BEGIN + "{{ message['role'] }}\n{{ message['content'] }}" + END + "\n"
    "{% endfor %}{% if add_generation_prompt %}" + BEGIN + "assistant\n{% endif %}"
)


def save_chatml_tokenizer(folder: Path, texts: Iterable[str]) -> Path:
    """Save one that knows the characters of some texts, beside a configuration, so that it loads like a model's."""
    characters = sorted({character for text in [*texts, "systemuserassistant\n"] for character in text})
    vocabulary = {token: number for number, token in enumerate([PAD, UNK, BEGIN, END, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in (PAD, BEGIN, END)])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNK,
        additional_special_tokens=[BEGIN],
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(folder)
    Qwen3Config(vocab_size=len(fast)).save_pretrained(folder)
    return folder
