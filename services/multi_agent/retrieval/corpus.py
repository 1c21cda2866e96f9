"""The documents that retrieval chooses from: good greetings, each with the prompt that it was written for."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.documents import first_problem
from shared.errors import InvalidData
from shared.schemas import Contract, Text

MAX_CHARACTERS: Final = 4_000
"""Of a prompt and of a completion: longer ones are no examples that an agent could be shown several of."""
COMPLETION_FIELDS: Final = ("completion", "response", "chosen")
"""What a row may call its greeting; ``chosen`` is that of a preference pair."""

Words = Annotated[Text, Field(min_length=1, max_length=MAX_CHARACTERS)]


class Document(Contract):
    """One greeting and the prompt that it was written for.

    Attributes:
        prompt: What was asked for; documents are found by it.
        completion: The greeting.
        engagement: How well readers took it, such as a number of clicks; only its order counts.
    """

    prompt: Words
    completion: Words
    engagement: float = 0.0


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    prompt: str
    completion: str | None = None
    response: str | None = None
    chosen: str | None = None
    engagement: float | None = None
    click_num: float | None = None

    def document(self) -> Document:
        """Raises `ValueError` where it is none."""
        given = [value for name in COMPLETION_FIELDS if isinstance(value := getattr(self, name), str)]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(COMPLETION_FIELDS)} is needed, not {len(given)}")
        for name, text in (("prompt", self.prompt), ("completion", given[0])):
            if not folded(text):
                raise ValueError(f"the {name} is empty")
        if self.engagement is not None and self.click_num is not None:
            raise ValueError("engagement and click_num are two names of one field")
        engagement = self.click_num if self.engagement is None else self.engagement
        return Document(prompt=self.prompt, completion=given[0], engagement=engagement or 0.0)


def read_corpus(path: Path) -> list[Document]:
    """The documents of a file: JSON lines or one JSON list, in UTF-8.

    Each row has ``prompt``, one of `COMPLETION_FIELDS`, and may have ``engagement`` or ``click_num``, which is 0 where
    it is missing or null. Other fields are passed over. A file of preference pairs gives its chosen texts.

    Raises:
        InvalidData: The file cannot be read, has no rows, or has one that is no document; rows are counted from 1,
            in JSON lines with the empty ones.
    """
    content = _bytes_of(path).removeprefix(b"\xef\xbb\xbf")
    as_list = content.lstrip()[:1] == b"["
    rows = _rows_of_list(content, path) if as_list else _rows_of_lines(content, path)
    if not rows:
        raise InvalidData(path, "has no documents")
    documents = []
    for number, row in rows:
        try:
            documents.append(row.document())
        except ValidationError as error:
            raise InvalidData(path, first_problem(error), number) from None
        except ValueError as error:
            raise InvalidData(path, str(error), number) from None
    return documents


def corpus_digest(path: Path) -> str:
    """The SHA-256 of a file of documents. Raises `InvalidData` where it cannot be read."""
    return hashlib.sha256(_bytes_of(path)).hexdigest()


def without_copies(documents: Sequence[Document]) -> list[Document]:
    """Of documents with the same prompt and completion the one with the highest engagement, in the place of the first.

    As many copies as are looked for would else hide all others.
    """
    best: dict[tuple[str, str], Document] = {}
    for document in documents:
        key = folded(document.prompt), folded(document.completion)
        if key not in best or document.engagement > best[key].engagement:
            best[key] = document
    return list(best.values())


def folded(text: str) -> str:
    """A text as it is compared with others: NFKC, without what cannot be seen, each run of white space one space."""
    compatible = unicodedata.normalize("NFKC", text)
    visible = "".join(mark for mark in compatible if unicodedata.category(mark) != "Cf")
    return re.sub(r"\s+", " ", visible).strip()


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidData(path, f"cannot be read: {type(error).__name__}") from error


def _rows_of_lines(content: bytes, path: Path) -> list[tuple[int, _Row]]:
    rows = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append((number, _Row.model_validate_json(line)))
        except ValidationError as error:
            raise InvalidData(path, first_problem(error), number) from None
    return rows


def _rows_of_list(content: bytes, path: Path) -> list[tuple[int, _Row]]:
    try:
        rows = TypeAdapter(list[_Row]).validate_json(content)
    except ValidationError as error:
        place: tuple[Any, ...] = error.errors()[0]["loc"]
        row = place[0] + 1 if place and isinstance(place[0], int) else None
        raise InvalidData(path, first_problem(error), row) from None
    return list(enumerate(rows, start=1))
