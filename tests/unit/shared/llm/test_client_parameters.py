"""What is sent for a question, by API."""

from __future__ import annotations

from typing import Any

from shared.llm.chat import ChatRequest, LlmApi, Message
from shared.llm.client import parameters

MESSAGES = (Message(role="user", content="？"),)
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"verdict": {"enum": [0, 1]}}}


def sent(api: LlmApi, **asked: Any) -> dict[str, Any]:
    request = ChatRequest(messages=MESSAGES, max_tokens=4, **asked)
    return {name: value for name, value in parameters(request, api).items() if value is not None}


def test_a_plain_question_says_how_long_and_how_freely() -> None:
    assert sent("chat") == sent("completions") == {"max_tokens": 4, "temperature": 0.0}


def test_seed_and_stop_are_sent_where_they_are_set() -> None:
    assert sent("chat", seed=0, stop=("\n",), temperature=1.0) == {
        "max_tokens": 4,
        "temperature": 1.0,
        "seed": 0,
        "stop": ["\n"],
    }


def test_logprobs_are_asked_for_as_each_api_wants_it() -> None:
    assert sent("chat", top_logprobs=5).items() >= {"logprobs": True, "top_logprobs": 5}.items()
    assert sent("completions", top_logprobs=5)["logprobs"] == 5


def test_a_schema_goes_to_chat_as_openai_has_it() -> None:
    body = sent("chat", json_schema=SCHEMA, schema_name="verdict")
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "schema": SCHEMA, "strict": True},
    }
    assert "json_schema" not in body


def test_a_schema_goes_to_completions_as_vllm_and_as_llama_cpp_have_it() -> None:
    body = sent("completions", json_schema=SCHEMA)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert body["json_schema"] == SCHEMA
