"""Answers in JSON: the schema that a server is sent, and reading what came. There is no default for an answer that does
not fit: it raises `LlmFailed` with the tokens that it cost."""

from __future__ import annotations

import json
import unicodedata
from typing import Final, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from shared.json_schema import whole_schema
from shared.llm.chat import ChatAnswer
from shared.llm.errors import LlmFailed, LlmFailureCode, quoted
from shared.principles import Language

Read = TypeVar("Read", bound=BaseModel)

LEAST_LANGUAGE_SHARE: Final = 0.5
"""Of the letters of a text, so many are of the language asked for; names and quotations may be of another."""
FOR_PEOPLE: Final = frozenset({"title", "description", "default", "examples"})
"""Keywords of a schema that say nothing about what fits; a server would only have to read them."""


OUT_OF_RANGE: Final = frozenset({"greater_than_equal", "less_than_equal", "int_type", "int_from_float"})
"""What pydantic calls a number where another number would have been right."""


def parsed(answer: ChatAnswer, model: type[Read]) -> Read:
    """The answer as JSON of a model.

    Raises:
        LlmFailed: ``llm_unparsable`` where it is not JSON or lacks fields, ``llm_out_of_range`` where a value is
            outside its range.
    """
    try:
        document = json.loads(answer.text)
    except (ValueError, RecursionError):
        raise answer_failed(answer, "llm_unparsable", f"not JSON: '{quoted(answer.text)}'") from None
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the answer"
        outside = type(problem["input"]) in (int, float) and problem["type"] in OUT_OF_RANGE
        code: LlmFailureCode = "llm_out_of_range" if outside else "llm_unparsable"
        raise answer_failed(answer, code, f"{where}: {problem['msg']}") from None


def answer_failed(answer: ChatAnswer, code: LlmFailureCode, detail: str) -> LlmFailed:
    """The failure of an answer that came but cannot be used; its tokens were paid."""
    return LlmFailed(detail, code=code, usage=answer.usage.to_contract())


def is_in_language(text: str, language: Language) -> bool:
    """Whether at least half of the letters of a text are of the script of a language; without letters it is not."""
    letters = [character for character in text if unicodedata.category(character).startswith("L")]
    if language == "zh":
        own = sum("一" <= character <= "鿿" or "㐀" <= character <= "䶿" for character in letters)
    else:
        own = sum(character.isascii() for character in letters)
    return bool(letters) and own >= LEAST_LANGUAGE_SHARE * len(letters)


def answer_schema(model: type[BaseModel]) -> dict[str, JsonValue]:
    """A model's JSON schema as servers compile it: references put in place, without words for people.

    The properties stay in their order: it is the one in which a language model writes them.
    """
    return whole_schema(model, without=FOR_PEOPLE)
