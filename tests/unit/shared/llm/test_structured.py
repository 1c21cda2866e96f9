from __future__ import annotations

import json
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from shared.llm.chat import ChatAnswer, LlmUsage
from shared.llm.errors import LlmFailed
from shared.llm.structured import answer_schema, is_in_language, parsed


class Finding(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: Literal["fluency", "culture"] = Field(description="For people.")
    why: str = Field(max_length=40)


class Findings(BaseModel):
    """For people."""

    model_config = ConfigDict(extra="forbid", strict=True)

    findings: list[Finding] = Field(max_length=3)
    verdict: int = Field(ge=0, le=1)


def said(text: str) -> ChatAnswer:
    usage = LlmUsage(prompt_tokens=7, cached_prompt_tokens=0, completion_tokens=5)
    return ChatAnswer(text=text, tokens=(), finish_reason="stop", model="m", usage=usage)


def test_a_schema_for_servers_has_no_references_and_no_words_for_people() -> None:
    schema = answer_schema(Findings)

    assert "$" not in json.dumps(schema)
    assert "For people" not in json.dumps(schema)
    assert schema["required"] == ["findings", "verdict"]


def test_a_property_that_is_called_like_a_keyword_stays() -> None:
    schema = json.loads(json.dumps(answer_schema(Findings)))
    item = schema["properties"]["findings"]["items"]

    assert item["properties"]["title"] == {"enum": ["fluency", "culture"], "type": "string"}
    assert schema["properties"]["findings"]["maxItems"] == 3
    assert list(schema["properties"]) == ["findings", "verdict"]


def test_an_answer_that_fits_is_read() -> None:
    read = parsed(said('{"findings": [{"title": "culture", "why": "得体"}], "verdict": 1}'), Findings)

    assert read.findings[0].why == "得体"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("好的，我来评价。", "llm_unparsable"),
        ('{"findings": []}', "llm_unparsable"),
        ('{"findings": [], "verdict": 1, "more": 1}', "llm_unparsable"),
        ('{"findings": [], "verdict": "1"}', "llm_unparsable"),
        ('{"findings": [], "verdict": 2}', "llm_out_of_range"),
        ('{"findings": [], "verdict": 0.5}', "llm_out_of_range"),
        ("[" * 100_000, "llm_unparsable"),
    ],
)
def test_an_answer_that_does_not_fit_fails_with_what_it_cost(text: str, code: str) -> None:
    with pytest.raises(LlmFailed) as caught:
        parsed(said(text), Findings)

    assert caught.value.failure_code == code
    assert caught.value.usage is not None
    assert caught.value.usage.prompt_tokens == 7


def test_a_text_is_in_a_language_when_half_of_its_letters_are() -> None:
    assert is_in_language("祝您生日快乐 happy", "zh")
    assert not is_in_language("happy birthday 祝", "zh")
    assert not is_in_language("123", "zh")
