"""What is asked of a language model and what it answers, whichever server and API carries it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Literal

from pydantic import ConfigDict, JsonValue, TypeAdapter, with_config

from shared.schemas import Usage

Role = Literal["system", "user", "assistant"]
LlmApi = Literal["chat", "completions"]

MAX_TOP_LOGPROBS = 20
"""What OpenAI's API allows, and vLLM by default."""
BYTES_PER_TOKEN = 3
"""For estimates: a Chinese character has three bytes and is seldom more than one token; English has more than three."""
TOKENS_PER_MESSAGE = 8
"""For estimates: what a chat template puts around a message."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One question.

    Attributes:
        messages: The conversation so far, at least one turn.
        max_tokens: The answer is cut there.
        temperature: 0: the likeliest token each time.
        seed: For servers that sample reproducibly.
        top_logprobs: How many alternatives are asked for at each token of the answer, 0 to 20; 0: no log-probabilities.
        json_schema: The answer shall be JSON of this schema.
        schema_name: What the schema is called to the model.
        stop: The answer ends before any of these.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    top_logprobs: int = 0
    json_schema: Mapping[str, JsonValue] | None = None
    schema_name: str = "answer"
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.messages or self.max_tokens < 1:
            raise ValueError("a question has a message and asks for a token at least")
        if not 0 <= self.top_logprobs <= MAX_TOP_LOGPROBS:
            raise ValueError(f"top_logprobs is from 0 to {MAX_TOP_LOGPROBS}")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError("temperature is a finite number and not negative")

    @property
    def reads_tokens(self) -> bool:
        """Whether the tokens are what is wanted and not the text, so that a text cut at its limit is as good."""
        return self.top_logprobs > 0 and self.json_schema is None

    @property
    def prompt(self) -> str:
        """The messages as one plain text, for models that only continue text: the last one ends it."""
        return "\n\n".join(message.content for message in self.messages)

    @property
    def estimated_tokens(self) -> int:
        """About how many tokens prompt and answer will be, rather too many; the server's count replaces it."""
        prompt = sum(-(-len(message.content.encode()) // BYTES_PER_TOKEN) for message in self.messages)
        return prompt + TOKENS_PER_MESSAGE * len(self.messages) + self.max_tokens

    def digest(self, model: str, api: str, extra: Mapping[str, JsonValue], salt: str) -> str:
        """SHA-256 in hex of all that the answer depends on: the key under which it is cached.

        Args:
            model: Whom it is asked.
            api: Over which API, which decides how the messages are rendered.
            extra: What else is sent with the request.
            salt: Of the caller: a version of what reads the answer, the number of a sample.
        """
        parts = {
            "messages": [[message.role, message.content] for message in self.messages],
            "max_tokens": self.max_tokens,
            "temperature": float(self.temperature),
            "seed": self.seed,
            "top_logprobs": self.top_logprobs,
            # In its own order: the order of properties is the order in which the model writes them.
            "json_schema": None if self.json_schema is None else json.dumps(dict(self.json_schema)),
            "schema_name": self.schema_name,
            "stop": list(self.stop),
            "model": model,
            "api": api,
            "extra": dict(extra),
            "salt": salt,
        }
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


@with_config(ConfigDict(allow_inf_nan=False))
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprobs:
    """One token of an answer.

    Attributes:
        token: As text.
        logprob: Natural logarithm of its probability, at most 0.
        top: The likeliest tokens there with theirs, as the server gave them; the token itself need not be among them.
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LlmUsage:
    """Tokens that one answer cost, as the server counted them.

    Attributes:
        prompt_tokens: All of the prompt.
        cached_prompt_tokens: Those of the prompt that the server did not compute again; 0 where it does not tell.
        completion_tokens: Of the answer.
    """

    prompt_tokens: int
    cached_prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Prompt and answer."""
        return self.prompt_tokens + self.completion_tokens

    def to_contract(self) -> Usage:
        """As scores report it."""
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """What a model answered.

    Attributes:
        text: The answer; may be empty.
        tokens: Its tokens where `ChatRequest.top_logprobs` asked for them; none where the answer is empty.
        finish_reason: Why it ends there: ``stop``, ``length``, or a word of the server's own.
        model: Who answered, by the server's word.
        usage: What it cost.
    """

    text: str
    tokens: tuple[TokenLogprobs, ...]
    finish_reason: str
    model: str
    usage: LlmUsage

    def to_json(self) -> str:
        """For the cache; `from_json` reads it."""
        return _ANSWERS.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> ChatAnswer:
        """Read what `to_json` wrote. Raises ValueError for anything else."""
        return _ANSWERS.validate_json(text)


_ANSWERS = TypeAdapter(ChatAnswer)
