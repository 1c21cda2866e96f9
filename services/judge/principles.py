"""The judge's rules: a versioned file, at most ten of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from shared.errors import InvalidData
from shared.schemas import Contract, FiniteJson

FOLDER = Path(__file__).parent / "principles"
MAX_RULES = 10
MAX_RULE_CHARACTERS = 300
HASH_CHARACTERS = 8

Language = Literal["zh", "en"]
DocumentId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
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
        return f"{self.id}#{hashlib.sha256(shown.encode()).hexdigest()[:HASH_CHARACTERS]}"

    @property
    def numbered(self) -> str:
        """The rules as the model reads them, one a line."""
        return "\n".join(f"{number}. {rule}" for number, rule in enumerate(self.rules, 1))


def read_document(path: Path) -> Any:
    """A YAML file.

    Raises:
        InvalidData: It cannot be read, or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise InvalidData(path, f"cannot be read: {type(error).__name__}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not
        raise InvalidData(path, f"not YAML: {' '.join(str(error).split())[:200]}") from error


def load_principles(path: Path) -> Principles:
    """Principles from a YAML file.

    Raises:
        InvalidData: The file cannot be read or breaks the schema.
    """
    try:
        return Principles.model_validate(read_document(path))
    except ValidationError as error:
        raise InvalidData(path, first_problem(error)) from error


def first_problem(error: ValidationError) -> str:
    """The first thing that a schema does not accept, in a line."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the document"
    return f"{where}: {problem['msg']}"


def shipped_principles() -> Iterable[Principles]:
    """Those that come with the service."""
    return [load_principles(path) for path in sorted(FOLDER.glob("*.yaml"))]


def find_principles(name: str) -> Principles:
    """Principles by the id of one that ships with the service, or by the path of a file.

    Raises:
        InvalidData: There is none, or it is not valid.
    """
    for shipped in shipped_principles():
        if shipped.id == name:
            return shipped
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return load_principles(path)
    known = ", ".join(shipped.id for shipped in shipped_principles())
    raise InvalidData(name, f"no principles of that id (known: {known}), and not the path of a .yaml file")
