"""A tiny causal language model and a character-level tokenizer, made from nothing but the texts at hand.

For laptops and tests: it needs no download. Everything else treats it like any other model folder; its tokenizer has a
chat template, so prompts and completions take the same way as with an instruct model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex as TokenizerRegex
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, set_seed

PAD, EOS, UNK, USER, ASSISTANT = "<pad>", "<eos>", "<unk>", "<user>", "<assistant>"
MAX_POSITIONS = 512

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}" + USER + "{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}" + ASSISTANT + "{{ message['content'] }}" + EOS + "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}" + ASSISTANT + "{% endif %}"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TinyShape:
    """Size of the tiny model; the default has about 4 million parameters with 2,500 characters."""

    hidden_size: int = 256
    layers: int = 4
    heads: int = 4


def character_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer with one token for each character that occurs in the texts; all others are ``<unk>``."""
    special = [PAD, EOS, UNK, USER, ASSISTANT]
    characters = sorted({character for text in texts for character in text})
    vocabulary = {token: number for number, token in enumerate([*special, *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(TokenizerRegex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNK,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
    )


def make_tiny_model(folder: Path, texts: Iterable[str], *, seed: int, shape: TinyShape | None = None) -> Path:
    """Save an untrained model and its tokenizer.

    Args:
        folder: Where to; made when missing.
        texts: All texts whose characters the tokenizer shall know.
        seed: Of the random weights.
        shape: Size of the model.

    Returns:
        The folder.
    """
    shape = shape or TinyShape()
    tokenizer = character_tokenizer(texts)
    set_seed(seed)
    # Qwen3, because AutoTokenizer keeps the tokenizer that such a folder declares; for Qwen2 it puts its own in place.
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.hidden_size * 8 // 3 // 8 * 8,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        head_dim=shape.hidden_size // shape.heads,
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
