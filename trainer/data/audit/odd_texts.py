"""Texts that are broken, or hide something, or are of no length to be a greeting."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from trainer.data.entries import Entry

SHORTEST = 4
JOINER, LINE_ENDS = "\u200d", "\n\r\t"
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|&(?:[a-zA-Z]+|#\d+);|\\u[0-9a-fA-F]{4}|<\|[^|]*\|>")


class Oddity(StrEnum):
    """What is odd about a text."""

    BROKEN = "broken"
    INVISIBLE = "invisible"
    MARKUP = "markup"
    LONG = "long"
    SHORT = "short"
    WORDLESS = "wordless"
    EDGES = "edges"

    @property
    def description(self) -> str:
        """A few words for people."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Oddity.BROKEN: "replacement, control or private-use characters: a wrong encoding",
    Oddity.INVISIBLE: "invisible characters, or such that turn the direction of writing",
    Oddity.MARKUP: "tags, entities, escapes or tokens of a chat template",
    Oddity.LONG: "more characters than allowed",
    Oddity.SHORT: f"fewer than {SHORTEST} characters",
    Oddity.WORDLESS: "no letter and no digit",
    Oddity.EDGES: "white space at an end",
}
DAMAGED = (Oddity.BROKEN, Oddity.INVISIBLE, Oddity.MARKUP)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OddTexts:
    """Rows with an odd prompt or text, by what is odd; those that no loader takes stand apart."""

    rows: Mapping[Oddity, Sequence[int]]

    def count(self, *oddities: Oddity) -> int:
        """Rows with any of these."""
        return len({row for oddity in oddities for row in self.rows.get(oddity, ())})


def odd_texts(entries: Sequence[Entry], *, longest: int) -> OddTexts:
    """Look through all prompts and texts; a prompt may be short.

    Args:
        entries: Of one source.
        longest: Characters that a text may have.
    """
    rows: dict[Oddity, list[int]] = {}
    for entry in entries:
        found = set(_damage(entry.prompt))
        for each in entry.completions:
            found |= {*_damage(each.text), *_shape(each.text, longest)}
        for oddity in found:
            rows.setdefault(oddity, []).append(entry.row)
    return OddTexts(rows={oddity: rows[oddity] for oddity in Oddity if oddity in rows})


def _damage(text: str) -> Iterator[Oddity]:
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if character == "\ufffd" or category == "Co" or (category == "Cc" and character not in LINE_ENDS):
            yield Oddity.BROKEN
        elif category == "Cf" and not (character == JOINER and place and _is_emoji(text[place - 1])):
            yield Oddity.INVISIBLE
    if _MARKUP.search(text):
        yield Oddity.MARKUP


def _shape(text: str, longest: int) -> Iterator[Oddity]:
    if len(text) > longest:
        yield Oddity.LONG
    if len(text) < SHORTEST:
        yield Oddity.SHORT
    if not any(unicodedata.category(character)[0] in "LN" for character in text):
        yield Oddity.WORDLESS
    if text != text.strip():
        yield Oddity.EDGES


def _is_emoji(character: str) -> bool:
    """A pictograph, or what may stand between it and a joiner."""
    return unicodedata.category(character) in {"So", "Sk", "Mn"}
