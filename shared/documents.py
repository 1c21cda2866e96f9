"""Small YAML files that people write and versions name: principles, prompts, examples."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import StringConstraints, ValidationError

from shared.errors import InvalidData

HASH_CHARACTERS = 8

DocumentId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


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


def first_problem(error: ValidationError) -> str:
    """The first thing that a schema does not accept, in a line."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the document"
    return f"{where}: {problem['msg']}"


def short_hash(text: str) -> str:
    """What a version says of a content: the first 8 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARACTERS]
