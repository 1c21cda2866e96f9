"""The tokenizer of a model that a person named, and which conversations are short enough by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from shared.errors import InvalidData

Row = Mapping[str, Any]
"""A row in TRL's conversational form: the messages of ``prompt``, of ``completion`` where it has one, and the like."""


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


def rows_that_fit(tokenizer: Any, rows: Sequence[Row], max_tokens: int, *, add_generation_prompt: bool) -> list[Row]:
    """The rows of which prompt and completion fit into ``max_tokens``, the template's own tokens included.

    Args:
        tokenizer: Has the template.
        rows: At least one.
        max_tokens: Of a row at most.
        add_generation_prompt: Count the tokens that ask for a completion, too.
    """
    messages = [[*row["prompt"], *row.get("completion", ())] for row in rows]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=add_generation_prompt)["input_ids"]
    return [row for row, tokens in zip(rows, ids, strict=True) if len(tokens) <= max_tokens]
