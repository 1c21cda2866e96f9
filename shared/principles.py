"""Numbered rules by which greetings are judged: a versioned YAML file of at most ten, which the judge serves.

They are written by hand, or learned by ``zhufu optimize-judge``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from shared.documents import DocumentId, first_problem, read_document, short_hash
from shared.errors import InvalidData
from shared.schemas import Contract, FiniteJson

MAX_RULES = 10
MAX_RULE_CHARACTERS = 300

Language = Literal["zh", "en"]
Rule = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_RULE_CHARACTERS)]


class Principles(Contract):
    """Numbered rules by which a greeting is judged, and where they come from."""

    id: DocumentId = Field(description="Of this set of rules, such as greetings-v1; a change makes a new id.")
    parent: DocumentId | None = Field(default=None, description="The set that this one was made from.")
    language: Language = Field(default="zh", description="Of the rules, and of the reasons that the judge gives.")
    obtained: str = Field(min_length=1, max_length=2000, description="How these rules came about.")
    rules: list[Rule] = Field(min_length=1, max_length=MAX_RULES)
    measured: dict[str, FiniteJson] = Field(
        default_factory=dict, description="What was measured of them: agreement, data, model."
    )

    @model_validator(mode="after")
    def _rules_differ(self) -> Self:
        if len(set(self.rules)) < len(self.rules):
            raise ValueError("a rule stands twice")
        if any(len(rule.splitlines()) != 1 for rule in self.rules):
            raise ValueError("a rule is one line")
        return self

    @property
    def version(self) -> str:
        """Id and hash of what the model is shown, such as ``greetings-v1#4f2a91c0``."""
        shown = json.dumps([self.language, *self.rules], ensure_ascii=False)
        return f"{self.id}#{short_hash(shown)}"

    @property
    def numbered(self) -> str:
        """The rules as the model reads them, one a line."""
        return "\n".join(f"{number}. {rule}" for number, rule in enumerate(self.rules, 1))


def load_principles(path: Path) -> Principles:
    """Principles from a YAML file.

    Raises:
        InvalidData: The file cannot be read or breaks the schema.
    """
    try:
        return Principles.model_validate(read_document(path))
    except ValidationError as error:
        raise InvalidData(path, first_problem(error)) from error
