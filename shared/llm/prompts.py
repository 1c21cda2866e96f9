"""Prompts in two parts: what is the same for all questions of a kind comes first, so that servers keep it cached."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints, ValidationError

from shared.documents import DocumentId, first_problem, read_document, short_hash
from shared.errors import InvalidData
from shared.llm.chat import LlmApi, Message
from shared.schemas import Contract

MAX_SHOTS = 16
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8000)]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """What every prompt of one kind begins with: instructions, and examples with their answers.

    Attributes:
        head: Instructions.
        turns: Question and answer of each example.
        cue: What the answer follows; ends every question.
    """

    head: str
    turns: tuple[tuple[str, str], ...]
    cue: str

    def messages(self, question: str, api: LlmApi) -> tuple[Message, ...]:
        """The conversation that asks about one more work.

        Base models (``completions``) get one text that ends where the answer begins.
        """
        if api == "completions":
            asked = [self.head, *(f"{work}\n{self.cue}{answer}" for work, answer in self.turns)]
            text = "\n\n".join([*asked, f"{question}\n{self.cue}"])
            return (Message(role="user", content=text),)
        turns: list[Message] = [Message(role="system", content=self.head)]
        for work, answer in self.turns:
            turns += [
                Message(role="user", content=f"{work}\n{self.cue}"),
                Message(role="assistant", content=answer),
            ]
        return (*turns, Message(role="user", content=f"{question}\n{self.cue}"))


class Shot(Contract):
    """A worked example: a question as it will be asked, and the answer that it deserves."""

    question: Words
    answer: dict[str, JsonValue]


class Prompt(Contract):
    """What one kind of agent is told, from a YAML file; the question comes last, from the code."""

    id: DocumentId
    instructions: Words
    cue: Words = Field(description="What the answer follows; ends every question.")
    shots: list[Shot] = Field(default_factory=list, max_length=MAX_SHOTS)

    @property
    def version(self) -> str:
        """Id and hash of the content, such as ``positive-v1#4f2a91c0``."""
        return f"{self.id}#{short_hash(self.model_dump_json())}"


def load_prompt(path: Path) -> Prompt:
    """A prompt from a YAML file.

    Raises:
        InvalidData: The file cannot be read or breaks the schema.
    """
    try:
        return Prompt.model_validate(read_document(path))
    except ValidationError as error:
        raise InvalidData(path, first_problem(error)) from error
