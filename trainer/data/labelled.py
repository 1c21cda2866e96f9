"""Labelled greetings: a request, what was written for it, and whether people call it good.

A source is ``starter:train``, ``starter:validation``, ``starter:test``, or a file: preference pairs in any format that
`trainer.data.formats` reads (the chosen one has label 1, the rejected one 0), or labelled responses (query, response,
label).
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from shared.errors import InvalidData
from trainer.data.formats import label_of, load_pairs
from trainer.data.records import Label
from trainer.data.rows import PARQUET_MAGIC, Row, json_rows, read_file

ID_CHARACTERS = 12
STARTER = "starter"
_LABELLED_FIELDS = {"query", "response", "label"}


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """One greeting with its label: 1 good, 0 bad."""

    prompt: str
    completion: str
    label: Label

    @property
    def id(self) -> str:
        """Of its content, the same in every run."""
        text = "\0".join([self.prompt, self.completion, str(self.label)])
        return hashlib.sha256(text.encode()).hexdigest()[:ID_CHARACTERS]


def load_labelled(source: str) -> list[Labelled]:
    """All labelled greetings of a source; what stands there twice comes once.

    Raises:
        InvalidData: The source is not there, is broken, holds no labels, or calls one text both good and bad.
    """
    rows = _labelled_rows(Path(source)) if not _is_starter(source) else None
    if rows is None:
        pairs = load_pairs(source).records
        rows = itertools.chain.from_iterable(
            (Labelled(pair.prompt, pair.chosen, 1), Labelled(pair.rejected_prompt or pair.prompt, pair.rejected, 0))
            for pair in pairs
        )
    unique = list(dict.fromkeys(rows))
    texts = {(row.prompt, row.completion) for row in unique}
    if len(texts) < len(unique):
        raise InvalidData(source, f"{len(unique) - len(texts)} texts are labelled good in one row and bad in another")
    return unique


def digest_of(rows: Iterable[Labelled]) -> str:
    """SHA-256 in hex of rows in their order, for the record."""
    return hashlib.sha256("\n".join(row.id for row in rows).encode()).hexdigest()


def _is_starter(source: str) -> bool:
    return source.partition(":")[0] == STARTER


def _labelled_rows(path: Path) -> Iterator[Labelled] | None:
    """The rows of a file of labelled responses; None where it is of another format."""
    data = read_file(path)
    if data.startswith(PARQUET_MAGIC) or data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in {b"[", b"{"}:
        return None
    rows = json_rows(path, data)
    first = next(rows, None)
    if first is None or not first.fields.keys() >= _LABELLED_FIELDS:
        return None
    return map(_labelled, itertools.chain([first], rows))


def _labelled(row: Row) -> Labelled:
    return Labelled(row.text("query"), row.text("response"), label_of(row))
