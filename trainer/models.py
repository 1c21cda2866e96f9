"""Loading the tokenizer of a model that a person named, with an error that a person understands."""

from __future__ import annotations

from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from shared.errors import InvalidData


def load_tokenizer(model: str, **options: Any) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder or hub id.

    Args:
        model: The folder or the id.
        options: As `AutoTokenizer.from_pretrained` takes them, such as ``padding_side``.

    Raises:
        InvalidData: There is no such folder, it holds no model, or it cannot be had from a hub.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model, **options)
    except (OSError, ValueError) as error:
        raise InvalidData(
            model, "no model can be loaded from there: neither a model folder nor to be had from a hub"
        ) from error
    return tokenizer
