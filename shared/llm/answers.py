"""Reading what a server sends back: OpenAI's format and what vLLM and llama.cpp make of it.

Log-probabilities come in two shapes. ``/v1/chat/completions`` has ``logprobs.content``, a list of tokens with
``top_logprobs`` each; ``/v1/completions`` has ``logprobs.tokens``, ``token_logprobs`` and ``top_logprobs`` side by side
(OpenAI, vLLM) or the shape of the other API (llama.cpp). Both are read wherever they stand. An answer of no text may
have none at all: llama.cpp leaves them out where the first thing that the model wrote ends the answer.

Nothing here trusts the server: whatever is not as described is an ``llm_protocol_error``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.llm.chat import ChatAnswer, ChatRequest, LlmApi, LlmUsage, TokenLogprobs
from shared.llm.errors import LlmFailed, LlmFailureCode, quoted

LOGPROB_ROUNDING = 1e-3
"""So far above 0 a log-probability may be from rounding in half precision; it is taken for 0."""
BROKEN_OFF = frozenset({"abort", "error"})
"""What vLLM and others call it when they give an answer up."""

Count = Annotated[int, Field(ge=0, lt=2**53)]
Logprob = Annotated[float, Field(le=LOGPROB_ROUNDING)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class _PromptDetails(_Part):
    cached_tokens: Count | None = None


class _Usage(_Part):
    prompt_tokens: Count
    completion_tokens: Count = 0
    prompt_tokens_details: _PromptDetails | None = None


class _Alternative(_Part):
    token: str
    logprob: Logprob


class _Token(_Alternative):
    top_logprobs: list[_Alternative] = []


class _Logprobs(_Part):
    content: list[_Token] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[Logprob] | None = None
    top_logprobs: list[dict[str, Logprob]] | None = None


class _Choice(_Part):
    finish_reason: str
    logprobs: _Logprobs | None = None


class _Message(_Part):
    content: str | None = None
    refusal: str | None = None


class _ChatChoice(_Choice):
    message: _Message


class _TextChoice(_Choice):
    text: str


class _Chat(_Part):
    model: str
    choices: list[_ChatChoice] = Field(min_length=1)


class _Completion(_Part):
    model: str
    choices: list[_TextChoice] = Field(min_length=1)


def read_body(content: bytes, hidden: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON object that a server answered with. Raises `LlmFailed` where it is none; ``hidden``: see `quoted`."""
    try:
        body = pydantic_core.from_json(content, allow_inf_nan=True)
    except ValueError:
        beginning = quoted(content.decode(errors="replace"), 60, hidden=hidden)
        raise LlmFailed(f"the LLM server did not answer with JSON: '{beginning}'", code="llm_protocol_error") from None
    if not isinstance(body, dict):
        raise LlmFailed("the LLM server answered JSON, but not an object", code="llm_protocol_error")
    return body


def read_usage(body: dict[str, Any], hidden: Sequence[str] = ()) -> LlmUsage:
    """What an answer cost. Raises `LlmFailed` where the server does not tell: limits could not be kept without it."""
    try:
        usage = _Usage.model_validate(body.get("usage"))
    except ValidationError as error:
        raise LlmFailed(_complaint("usage", error) + _excuse(body, hidden), code="llm_protocol_error") from None
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    return LlmUsage(
        prompt_tokens=usage.prompt_tokens,
        cached_prompt_tokens=cached or 0,
        completion_tokens=usage.completion_tokens,
    )


def read_answer(
    body: dict[str, Any], usage: LlmUsage, request: ChatRequest, api: LlmApi, hidden: Sequence[str] = ()
) -> ChatAnswer:
    """The answer to a request.

    Raises:
        LlmFailed: It is a refusal, was cut, or is not what the API describes; the failure carries ``usage``.
    """

    def failed(code: LlmFailureCode, detail: str) -> LlmFailed:
        return LlmFailed(detail, code=code, usage=usage.to_contract())

    choice: _ChatChoice | _TextChoice
    try:
        if api == "chat":
            chat = _Chat.model_validate(body)
            choice, model = chat.choices[0], chat.model
        else:
            completion = _Completion.model_validate(body)
            choice, model = completion.choices[0], completion.model
    except ValidationError as error:
        raise failed("llm_protocol_error", _complaint("", error) + _excuse(body, hidden)) from None
    if isinstance(choice, _ChatChoice):
        text, refusal = choice.message.content, choice.message.refusal
    else:
        text, refusal = choice.text, None
    if refusal:
        raise failed("llm_refused", f"the LLM refused: '{quoted(refusal, hidden=hidden)}'")
    if choice.finish_reason == "content_filter":
        raise failed("llm_refused", "the answer of the LLM was withheld by a content filter")
    if choice.finish_reason == "length" and not request.reads_tokens:
        raise failed("llm_truncated", f"the answer of the LLM was cut after {usage.completion_tokens} tokens")
    if choice.finish_reason in BROKEN_OFF:
        raise failed("llm_protocol_error", f"the LLM server broke its answer off: '{choice.finish_reason}'")
    if text is None:
        raise failed("llm_protocol_error", "the LLM answered without a text")
    tokens = _tokens(choice.logprobs) if request.top_logprobs and choice.logprobs else ()
    if tokens is None or (request.top_logprobs and text and not tokens) or not all(token.top for token in tokens):
        raise failed("llm_protocol_error", "the LLM server answered without the log-probabilities that were asked for")
    return ChatAnswer(text=text, tokens=tokens, finish_reason=choice.finish_reason, model=model, usage=usage)


def _tokens(logprobs: _Logprobs) -> tuple[TokenLogprobs, ...] | None:
    """The tokens in whichever shape they came; None where the lists do not fit together."""
    if logprobs.content is not None:
        return tuple(
            TokenLogprobs(
                token=token.token,
                logprob=min(0.0, token.logprob),
                top=tuple((each.token, min(0.0, each.logprob)) for each in token.top_logprobs),
            )
            for token in logprobs.content
        )
    tokens, values, tops = logprobs.tokens or [], logprobs.token_logprobs or [], logprobs.top_logprobs or []
    if not len(tokens) == len(values) == len(tops):
        return None
    return tuple(
        TokenLogprobs(
            token=token,
            logprob=min(0.0, value),
            top=tuple((other, min(0.0, logprob)) for other, logprob in top.items()),
        )
        for token, value, top in zip(tokens, values, tops, strict=True)
    )


def _complaint(where: str, error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join([where, *map(str, first["loc"])]).strip(".")
    return f"the answer of the LLM server is not as the API describes it, at '{quoted(place, 80)}': {first['msg']}"


def _excuse(body: dict[str, Any], hidden: Sequence[str]) -> str:
    """What the server itself says is wrong; some do so with status 200."""
    error = body.get("error")
    message = error.get("message") if isinstance(error, dict) else error
    return f"; it says: '{quoted(message, hidden=hidden)}'" if isinstance(message, str) and message else ""
