"""How (prompt, completion) becomes the input of a sequence-classification checkpoint.

The trainer writes ``zhufu_reward.json`` into a checkpoint; the service reads it, so that both encode alike. A
checkpoint without one (any other project's) gets the defaults: the tokenizer's chat template where it has one, else a
text pair.

Text under judgement cannot speak in the template's voice: wherever prompt or completion contain one of the tokenizer's
special tokens, it is broken up before the template is applied (`neutralise`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from shared.errors import InvalidData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILE_NAME = "zhufu_reward.json"
Content = TypeVar("Content", bound=BaseModel)
DEFAULT_MAX_TOKENS = 4096

Encoding = Literal["chat", "pair"]


class Calibration(BaseModel):
    """Platt scaling: probability = sigmoid(scale x logit + bias), fitted on validation pairs."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    scale: float = Field(gt=0)
    bias: float


class LengthCorrection(BaseModel):
    """What is subtracted from a logit for the length of its completion: a broken line, level beyond its ends."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    characters: list[float] = Field(min_length=2, description="Where the line bends, in characters; rising.")
    logits: list[float] = Field(min_length=2, description="Its height there.")

    @model_validator(mode="after")
    def _is_a_line(self) -> Self:
        if len(self.characters) != len(self.logits):
            raise ValueError("as many characters as logits")
        if any(after <= before for before, after in itertools.pairwise(self.characters)):
            raise ValueError("characters must rise")
        return self

    def at(self, characters: int) -> float:
        """The height of the line for a completion of so many characters."""
        if characters <= self.characters[0]:
            return self.logits[0]
        for (left, low), (right, high) in itertools.pairwise(zip(self.characters, self.logits, strict=True)):
            if characters <= right:
                return low + (high - low) * (characters - left) / (right - left)
        return self.logits[-1]


class RewardFormat(BaseModel):
    """The content of ``zhufu_reward.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    encoding: Encoding
    max_tokens: int = Field(ge=8, description="A longer text is refused, not cut.")
    calibration: Calibration | None = Field(default=None, description="Of the corrected logit.")
    length_correction: LengthCorrection | None = None
    ngram_prior: bool = Field(default=False, description="Whether `shared.ngram_prior` is part of the logit.")
    training: dict[str, JsonValue] = Field(default_factory=dict, description="How it was trained, for people to read.")

    @classmethod
    def read(cls, folder: Path) -> RewardFormat | None:
        """The format beside a checkpoint; None where there is none; `InvalidData` where it is broken."""
        return read_beside(cls, folder / FILE_NAME)

    def write(self, folder: Path) -> None:
        """Save beside a checkpoint."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_beside(kind: type[Content], path: Path) -> Content | None:
    """A file of a checkpoint; None where there is none; `InvalidData` where it is broken."""
    if not path.is_file():
        return None
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise InvalidData(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def default_format(tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> RewardFormat:
    """The format of a checkpoint that does not say."""
    return RewardFormat(encoding="chat" if tokenizer.chat_template else "pair", max_tokens=max_tokens)


def neutralise(text: str, special_tokens: Sequence[str]) -> str:
    """Break up every special token that stands in a text, by a space behind its first character."""
    for token in special_tokens:
        if len(token) > 1 and token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def encode(
    tokenizer: PreTrainedTokenizerBase, encoding: Encoding, prompts: Sequence[str], completions: Sequence[str]
) -> list[list[int]]:
    """Token ids of each (prompt, completion), special tokens included, not padded and not cut."""
    special = tokenizer.all_special_tokens
    clean_prompts = [neutralise(prompt, special) for prompt in prompts]
    clean_completions = [neutralise(completion, special) for completion in completions]
    if encoding == "pair":
        return cast("list[list[int]]", tokenizer(clean_prompts, clean_completions)["input_ids"])
    conversations = [
        [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
        for prompt, completion in zip(clean_prompts, clean_completions, strict=True)
    ]
    texts = tokenizer.apply_chat_template(conversations, tokenize=False)
    return cast("list[list[int]]", tokenizer(texts, add_special_tokens=False)["input_ids"])
