"""Reading answers: those of OpenAI, vLLM and llama.cpp, and those of nobody."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.llm.answers import read_answer, read_body, read_usage
from shared.llm.chat import ChatAnswer, ChatRequest, LlmApi, LlmUsage, Message
from shared.llm.errors import LlmFailed

TEXT = ChatRequest(messages=(Message(role="user", content="？"),), max_tokens=8)
LOGPROBS = ChatRequest(messages=TEXT.messages, max_tokens=1, top_logprobs=2)

# What vLLM answers to /v1/completions.
VLLM_COMPLETION: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1760000000,
    "model": "qwen",
    "choices": [
        {
            "index": 0,
            "text": "是",
            "logprobs": {
                "text_offset": [0],
                "token_logprobs": [-0.5],
                "tokens": ["是"],
                "top_logprobs": [{"是": -0.5, "否": -1.25}],
            },
            "finish_reason": "length",
            "stop_reason": None,
            "prompt_logprobs": None,
        }
    ],
    "usage": {"prompt_tokens": 7, "total_tokens": 8, "completion_tokens": 1, "prompt_tokens_details": None},
    "kv_transfer_params": None,
}
# What llama.cpp answers there: the shape of the other API.
LLAMA_COMPLETION: dict[str, Any] = {
    "choices": [
        {
            "text": "是",
            "index": 0,
            "logprobs": {
                "content": [
                    {
                        "id": 506,
                        "token": "是",
                        "bytes": [230, 152, 175],
                        "logprob": -0.5,
                        "top_logprobs": [
                            {"id": 506, "token": "是", "bytes": [], "logprob": -0.5},
                            {"id": 507, "token": "否", "bytes": [], "logprob": -1.25},
                        ],
                    }
                ]
            },
            "finish_reason": "length",
        }
    ],
    "model": "qwen",
    "object": "text_completion",
    "usage": {
        "completion_tokens": 1,
        "prompt_tokens": 7,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 5},
    },
    "timings": {"cache_n": 5},
}
CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "qwen",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "是", "refusal": None, "tool_calls": []},
            "logprobs": LLAMA_COMPLETION["choices"][0]["logprobs"],
            "finish_reason": "stop",
        }
    ],
    "usage": LLAMA_COMPLETION["usage"],
}
MALFORMED = [
    ("choices",),
    ("model",),
    ("choices", 0),
    ("choices", 0, "finish_reason"),
    ("choices", 0, "message"),
    ("choices", 0, "message", "content"),
    ("choices", 0, "logprobs"),
    ("choices", 0, "logprobs", "content"),
    ("choices", 0, "logprobs", "content", 0),
    ("choices", 0, "logprobs", "content", 0, "token"),
    ("choices", 0, "logprobs", "content", 0, "logprob"),
    ("choices", 0, "logprobs", "content", 0, "top_logprobs"),
    ("choices", 0, "logprobs", "content", 0, "top_logprobs", 1, "token"),
    ("choices", 0, "logprobs", "content", 0, "top_logprobs", 1, "logprob"),
    ("usage",),
    ("usage", "prompt_tokens"),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts, max_size=3),
    max_leaves=5,
)


def read(body: Any, request: ChatRequest = LOGPROBS, api: LlmApi = "chat") -> ChatAnswer:
    parsed = read_body(json.dumps(body).encode())
    return read_answer(parsed, read_usage(parsed), request, api)


def failure(body: Any, request: ChatRequest = LOGPROBS, api: LlmApi = "chat") -> LlmFailed:
    with pytest.raises(LlmFailed) as caught:
        read(body, request, api)
    return caught.value


def failure_of(step: Callable[[], object]) -> LlmFailed | None:
    try:
        step()
    except LlmFailed as error:
        return error
    return None


def changed(body: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    whole = copy.deepcopy(body)
    part: Any = whole
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return whole


def without(body: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    whole = copy.deepcopy(body)
    part: Any = whole
    for step in path[:-1]:
        part = part[step]
    del part[path[-1]]
    return whole


@pytest.mark.parametrize(
    ("body", "api"), [(VLLM_COMPLETION, "completions"), (LLAMA_COMPLETION, "completions"), (CHAT, "chat")]
)
def test_logprobs_are_read_in_both_shapes(body: dict[str, Any], api: LlmApi) -> None:
    answer = read(body, api=api)
    assert answer.text == "是"
    assert answer.model == "qwen"
    (token,) = answer.tokens
    assert (token.token, token.logprob) == ("是", -0.5)
    assert token.top == (("是", -0.5), ("否", -1.25))


def test_cached_prompt_tokens_are_counted_where_the_server_tells() -> None:
    assert read(CHAT).usage == LlmUsage(prompt_tokens=7, cached_prompt_tokens=5, completion_tokens=1)
    assert read(VLLM_COMPLETION, api="completions").usage.cached_prompt_tokens == 0


def test_logprobs_that_nobody_asked_for_are_left_out() -> None:
    assert read(CHAT, TEXT).tokens == ()


def test_an_empty_answer_needs_no_logprobs() -> None:
    body = changed(changed(LLAMA_COMPLETION, ("choices", 0, "text"), ""), ("choices", 0, "logprobs"), None)
    assert read(body, api="completions").tokens == ()


def test_rounding_above_zero_is_zero() -> None:
    path = ("choices", 0, "logprobs", "content", 0, "logprob")
    assert read(changed(CHAT, path, 1e-5)).tokens[0].logprob == 0.0
    assert failure(changed(CHAT, path, 0.1)).failure_code == "llm_protocol_error"


@pytest.mark.parametrize("path", MALFORMED, ids=lambda path: ".".join(map(str, path)))
def test_a_missing_field_is_a_protocol_error(path: tuple[str | int, ...]) -> None:
    assert failure(without(CHAT, path)).failure_code == "llm_protocol_error"


@pytest.mark.parametrize("path", MALFORMED, ids=lambda path: ".".join(map(str, path)))
@given(value=json_values)
def test_whatever_stands_in_a_field_it_is_read_or_a_typed_failure(path: tuple[str | int, ...], value: Any) -> None:
    error = failure_of(lambda: read(changed(CHAT, path, value)))
    assert error is None or error.failure_code in {"llm_protocol_error", "llm_refused"}
    assert error is None or error.detail.isprintable()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), None, "-0.5", True, 0.5])
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_a_logprob_that_is_none_is_a_protocol_error(number: Any, api: LlmApi) -> None:
    if api == "chat":
        bodies = [
            changed(CHAT, ("choices", 0, "logprobs", "content", 0, "logprob"), number),
            changed(CHAT, ("choices", 0, "logprobs", "content", 0, "top_logprobs", 1, "logprob"), number),
        ]
    else:
        bodies = [
            changed(VLLM_COMPLETION, ("choices", 0, "logprobs", "token_logprobs"), [number]),
            changed(VLLM_COMPLETION, ("choices", 0, "logprobs", "top_logprobs"), [{"是": number}]),
        ]
    for body in bodies:
        error = failure(body, api=api)
        assert error.failure_code == "llm_protocol_error"
        assert error.usage is not None
        assert error.usage.prompt_tokens == 7


@pytest.mark.parametrize("key", ["tokens", "token_logprobs", "top_logprobs"])
@pytest.mark.parametrize("value", [None, [], ["是", "否"], [None]])
def test_lists_side_by_side_that_do_not_fit_together_are_a_protocol_error(key: str, value: Any) -> None:
    body = changed(VLLM_COMPLETION, ("choices", 0, "logprobs", key), value)
    assert failure(body, api="completions").failure_code == "llm_protocol_error"


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"null", b'"a"', b"\xff\xfe", b"{", b'{"a":' * 10_000])
def test_what_is_no_json_object_is_a_protocol_error(content: bytes) -> None:
    with pytest.raises(LlmFailed) as caught:
        read_body(content)
    assert caught.value.failure_code == "llm_protocol_error"
    assert caught.value.detail.isprintable()


@given(st.binary(max_size=50))
def test_any_bytes_are_an_object_or_a_typed_failure(content: bytes) -> None:
    error = failure_of(lambda: read_body(content))
    assert error is None or error.failure_code == "llm_protocol_error"


@pytest.mark.parametrize("error", [{"message": "model is overloaded", "code": 502}, "model is overloaded"])
def test_an_error_that_comes_as_a_success_is_told_in_the_servers_words(error: Any) -> None:
    assert "model is overloaded" in failure({"error": error}).detail


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("choices", 0, "message", "refusal"), "I cannot help with that.", "llm_refused"),
        (("choices", 0, "finish_reason"), "content_filter", "llm_refused"),
        (("choices", 0, "finish_reason"), "length", "llm_truncated"),
        (("choices", 0, "finish_reason"), "abort", "llm_protocol_error"),
        (("choices", 0, "finish_reason"), None, "llm_protocol_error"),
        (("choices", 0, "message", "content"), None, "llm_protocol_error"),
        (("choices", 0, "message", "content"), [{"type": "text", "text": "1"}], "llm_protocol_error"),
    ],
)
def test_answers_that_are_none_keep_what_they_cost(path: tuple[str | int, ...], value: Any, code: str) -> None:
    error = failure(changed(CHAT, path, value), TEXT)
    assert error.failure_code == code
    assert error.usage is not None
    assert (error.usage.prompt_tokens, error.usage.completion_tokens) == (7, 1)


def test_the_limit_of_tokens_is_no_cut_where_the_tokens_are_read() -> None:
    assert read(changed(CHAT, ("choices", 0, "finish_reason"), "length")).finish_reason == "length"


def test_an_answer_that_reaches_its_limit_in_thought_is_truncated() -> None:
    body = changed(CHAT, ("choices", 0, "finish_reason"), "length")
    assert failure(changed(body, ("choices", 0, "message", "content"), None), TEXT).failure_code == "llm_truncated"
