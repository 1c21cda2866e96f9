"""A role that a language model plays: its prompt, and the typed answer that it gives."""

from __future__ import annotations

import json
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from shared.documents import first_problem
from shared.errors import InvalidData
from shared.llm.chat import ChatAnswer, ChatRequest, LlmApi
from shared.llm.prompts import Prefix, Prompt
from shared.llm.structured import answer_schema, parsed

Answer = TypeVar("Answer", bound=BaseModel)

DEFAULT_TEMPERATURE: Final = 0.0


class Role(Generic[Answer]):
    """Draws up questions of one kind and reads their answers, which are JSON of one model.

    Attributes:
        name: Of the role; servers are told it as the name of the schema.
        version: Id and hash of its prompt.
    """

    def __init__(
        self,
        name: str,
        prompt: Prompt,
        answer: type[Answer],
        *,
        max_tokens: int,
        temperature: float = DEFAULT_TEMPERATURE,
    ) -> None:
        """Take a prompt into use.

        Args:
            name: In letters, digits, ``_`` and ``-``.
            prompt: Its shots must be what the model is to answer.
            answer: What an answer is.
            max_tokens: Where an answer is cut, and so has failed.
            temperature: Unless a question says otherwise.

        Raises:
            InvalidData: The answer of a shot is not of the model.
        """
        for number, shot in enumerate(prompt.shots, 1):
            try:
                answer.model_validate(shot.answer)
            except ValidationError as error:
                raise InvalidData(prompt.id, f"the answer of shot {number}: {first_problem(error)}") from error
        self.name = name
        self.version = prompt.version
        self._answer = answer
        self._schema = answer_schema(answer)
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._prefix = Prefix(
            head=prompt.instructions,
            turns=tuple((shot.question, json.dumps(shot.answer, ensure_ascii=False)) for shot in prompt.shots),
            cue=prompt.cue,
        )

    def request(
        self, question: str, api: LlmApi, *, seed: int | None = None, temperature: float | None = None
    ) -> ChatRequest:
        """The whole question, as one API or the other is asked."""
        return ChatRequest(
            messages=self._prefix.messages(question, api),
            max_tokens=self._max_tokens,
            temperature=self._temperature if temperature is None else temperature,
            seed=seed,
            json_schema=self._schema,
            schema_name=self.name,
        )

    def read(self, answer: ChatAnswer) -> Answer:
        """The typed answer.

        Raises:
            shared.llm.errors.LlmFailed: ``llm_unparsable`` or ``llm_out_of_range``, with what it cost.
        """
        return parsed(answer, self._answer)
