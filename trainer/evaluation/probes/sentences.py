"""A text in sentences and clauses, by its punctuation."""

from __future__ import annotations

import re

SENTENCE_MARKS = "。！？!?…～~"
CLAUSE_MARKS = SENTENCE_MARKS + "，,；;：:"
_CLOSING = "”’」』）)"
_SENTENCE = re.compile(rf"[^{SENTENCE_MARKS}\n]*(?:[{SENTENCE_MARKS}]+[{_CLOSING}]*|\n+|$)")
_CLAUSE = re.compile(rf"([^{CLAUSE_MARKS}\n]+)([{CLAUSE_MARKS}\n{_CLOSING}]*)")
_HAN = re.compile(r"[\u3400-\u9fff]")


def sentences_of(text: str) -> list[str]:
    """A text cut behind the marks that end sentences; put together they are the text."""
    return [sentence for sentence in _SENTENCE.findall(text) if sentence]


def clauses_of(text: str) -> list[tuple[str, str]]:
    """Clauses, each with the marks behind it; marks that begin a text belong to no clause and are left out."""
    return _CLAUSE.findall(text)


def ended(text: str) -> str:
    """A text with a full stop where it has no mark at its end, so that something can follow."""
    return text if text and text[-1] in CLAUSE_MARKS + _CLOSING else f"{text}。"


def is_han(character: str) -> bool:
    """Whether it is a Chinese character."""
    return _HAN.match(character) is not None


def han_places(text: str) -> list[int]:
    """Where the Chinese characters of a text stand."""
    return [place for place, character in enumerate(text) if is_han(character)]
