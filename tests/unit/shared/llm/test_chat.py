"""Questions, answers and the keys under which answers are cached."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.llm.chat import ChatAnswer, ChatRequest, LlmUsage, Message, TokenLogprobs

QUESTION = ChatRequest(
    messages=(Message(role="system", content="你是评委。"), Message(role="user", content="生日快乐")), max_tokens=8
)
USAGE = LlmUsage(prompt_tokens=9, cached_prompt_tokens=4, completion_tokens=2)

finite = st.floats(max_value=0, allow_nan=False, allow_infinity=False)
tokens = st.builds(
    TokenLogprobs, token=st.text(), logprob=finite, top=st.lists(st.tuples(st.text(), finite), max_size=3).map(tuple)
)
answers = st.builds(
    ChatAnswer,
    text=st.text(),
    tokens=st.lists(tokens, max_size=3).map(tuple),
    finish_reason=st.text(),
    model=st.text(),
    usage=st.just(USAGE),
)


def digest(request: ChatRequest = QUESTION, **changes: Any) -> str:
    return request.digest(**{"model": "m", "api": "chat", "extra": {}, "salt": "", **changes})


@given(answers)
def test_an_answer_survives_the_cache(answer: ChatAnswer) -> None:
    assert ChatAnswer.from_json(answer.to_json()) == answer
    assert ChatAnswer.from_json(answer.to_json().encode()) == answer


@pytest.mark.parametrize("text", ["", "{}", "null", "[]", '{"text": 1}', "\N{REPLACEMENT CHARACTER}"])
def test_what_is_no_answer_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError):
        ChatAnswer.from_json(text)


def test_a_logprob_that_is_not_a_number_does_not_come_out_of_the_cache() -> None:
    answer = ChatAnswer(
        text="1",
        tokens=(TokenLogprobs(token="1", logprob=-0.25, top=(("1", -0.25),)),),
        finish_reason="stop",
        model="m",
        usage=USAGE,
    )
    with pytest.raises(ValueError, match="finite"):
        ChatAnswer.from_json(answer.to_json().replace("-0.25", "NaN", 1))


@pytest.mark.parametrize(
    "change",
    [
        {"messages": QUESTION.messages[1:]},
        {"messages": (QUESTION.messages[0], Message(role="assistant", content="生日快乐"))},
        {"messages": (Message(role="system", content="你是评委。生日快乐"), Message(role="user", content=""))},
        {"max_tokens": 9},
        {"temperature": 0.5},
        {"seed": 0},
        {"top_logprobs": 5},
        {"json_schema": {"type": "object"}},
        {"schema_name": "verdict"},
        {"stop": ("\n",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_of_a_question_goes_into_its_key(change: dict[str, Any]) -> None:
    assert digest(dataclasses.replace(QUESTION, **change)) != digest()


@pytest.mark.parametrize(
    "change", [{"model": "n"}, {"api": "completions"}, {"extra": {"top_k": 1}}, {"salt": "2"}], ids=str
)
def test_whom_and_how_it_is_asked_goes_into_the_key(change: dict[str, Any]) -> None:
    assert digest(**change) != digest()


def test_the_order_of_properties_is_another_question_and_that_of_parameters_is_not() -> None:
    one: dict[str, JsonValue] = {"properties": {"a": {}, "b": {}}}
    other: dict[str, JsonValue] = {"properties": {"b": {}, "a": {}}}
    assert digest(dataclasses.replace(QUESTION, json_schema=one)) != digest(
        dataclasses.replace(QUESTION, json_schema=other)
    )
    assert digest(extra={"a": 1, "b": 2}) == digest(extra={"b": 2, "a": 1})


def test_the_key_stays_the_same_from_release_to_release() -> None:
    assert digest() == "df412c7345aa8af00a16c863497ba9076e4c96f74c7c1a49ffc314ea9a217ad2"
    assert digest(dataclasses.replace(QUESTION, temperature=0)) == digest()


@pytest.mark.parametrize(
    "change",
    [
        {"messages": ()},
        {"max_tokens": 0},
        {"top_logprobs": -1},
        {"top_logprobs": 21},
        {"temperature": -0.1},
        {"temperature": float("nan")},
    ],
    ids=str,
)
def test_questions_that_no_server_takes_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        dataclasses.replace(QUESTION, **change)


def test_the_prompt_of_a_base_model_ends_with_the_last_message() -> None:
    assert QUESTION.prompt == "你是评委。\n\n生日快乐"


def test_a_text_may_be_cut_only_where_its_tokens_are_what_is_read() -> None:
    assert not QUESTION.reads_tokens
    assert dataclasses.replace(QUESTION, top_logprobs=5).reads_tokens
    assert not dataclasses.replace(QUESTION, top_logprobs=5, json_schema={}).reads_tokens


def test_the_estimate_of_tokens_counts_prompt_and_answer() -> None:
    longer = dataclasses.replace(QUESTION, messages=(*QUESTION.messages, Message(role="user", content="福" * 100)))
    assert longer.estimated_tokens >= QUESTION.estimated_tokens + 100
    assert dataclasses.replace(QUESTION, max_tokens=1008).estimated_tokens == QUESTION.estimated_tokens + 1000


def test_scores_report_all_prompt_tokens_cached_or_not() -> None:
    assert USAGE.total_tokens == 11
    assert USAGE.to_contract().model_dump() == {"prompt_tokens": 9, "completion_tokens": 2}
