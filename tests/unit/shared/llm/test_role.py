from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import InvalidData
from shared.llm.chat import ChatAnswer, LlmUsage
from shared.llm.errors import LlmFailed
from shared.llm.prompts import Prompt, load_prompt
from shared.llm.role import Role

DOCUMENT: dict[str, Any] = {
    "id": "critic-v1",
    "instructions": "找出不足。",
    "cue": "不足：",
    "shots": [{"question": "请求：生日祝福\n祝福：祝好。", "answer": {"flaw": "太短", "verdict": 0}}],
}


class Critique(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    flaw: str = Field(max_length=40)
    verdict: int = Field(ge=0, le=1)


def role(**changes: Any) -> Role[Critique]:
    return Role("critic", Prompt.model_validate({**DOCUMENT, **changes}), Critique, max_tokens=60, temperature=0.3)


def test_a_chat_model_sees_instructions_shots_and_the_question_last() -> None:
    messages = role().request("请求：新年", "chat").messages

    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[0].content == "找出不足。"
    assert messages[2].content == '{"flaw": "太短", "verdict": 0}'
    assert messages[3].content == "请求：新年\n不足："


def test_a_base_model_sees_one_text_that_ends_where_the_answer_begins() -> None:
    (message,) = role().request("请求：新年", "completions").messages

    assert message.content.startswith("找出不足。")
    assert message.content.endswith('不足：{"flaw": "太短", "verdict": 0}\n\n请求：新年\n不足：')


def test_a_question_asks_for_the_schema_and_keeps_seed_and_temperature() -> None:
    asked = role().request("请求：新年", "chat", seed=3)

    assert asked.json_schema is not None
    assert asked.json_schema["required"] == ["flaw", "verdict"]
    assert (asked.schema_name, asked.seed, asked.temperature, asked.max_tokens) == ("critic", 3, 0.3, 60)
    assert role().request("请求：新年", "chat", temperature=0.0).temperature == 0.0


def test_an_answer_is_typed_or_a_failure() -> None:
    usage = LlmUsage(prompt_tokens=1, cached_prompt_tokens=0, completion_tokens=1)

    def said(text: str) -> ChatAnswer:
        return ChatAnswer(text=text, tokens=(), finish_reason="stop", model="m", usage=usage)

    assert role().read(said('{"flaw": "空泛", "verdict": 0}')).flaw == "空泛"
    with pytest.raises(LlmFailed, match="verdict"):
        role().read(said('{"flaw": "空泛"}'))


def test_a_shot_whose_answer_is_none_of_the_role_is_refused() -> None:
    with pytest.raises(InvalidData, match="shot 1"):
        role(shots=[{"question": "请求", "answer": {"flaw": "太短"}}])


def test_the_version_changes_with_the_words() -> None:
    assert role().version.startswith("critic-v1#")
    assert role().version != role(instructions="找出优点。").version


def test_a_prompt_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "critic.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT, allow_unicode=True), encoding="utf-8")

    assert load_prompt(path).shots[0].answer == {"flaw": "太短", "verdict": 0}


@pytest.mark.parametrize("text", ["id: x\n", "id: [", "- 1\n", "id: critic-v1\ninstructions: ''\ncue: 'x'\n"])
def test_a_file_that_is_no_prompt_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "critic.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidData, match=r"critic\.yaml"):
        load_prompt(path)
