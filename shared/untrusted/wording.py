"""Sentences that speak of judging rather than to a friend: words of `shared.untrusted.lexicon` added up."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from shared.untrusted.characters import fold, is_disguised
from shared.untrusted.flags import Flag
from shared.untrusted.lexicon import LEXICON, Sign

SUSPICIOUS = 0.8
"""From this sum on a sentence is flagged."""
_DISGUISED = 1.2
"""From this sum on it is flagged when read in another way: what is read backwards has more chances to be nonsense."""

_KINDS: Final[dict[Sign, Flag]] = {
    "judge": "judge_order",
    "verdict": "forged_verdict",
    "order": "judge_order",
    "machine": "fake_system",
    "reference": "judge_order",
    "praise": "self_praise",
    "persona": "role_play",
    "example": "fake_examples",
    "threat": "coercion",
    "leak": "prompt_leak",
    "question": "question_back",
    "cipher": "encoded",
}
# A sentence with its end, the closing quotes and brackets after it, and the space up to the next one. A dot within a
# word or a number ends none.
_SENTENCE: Final = re.compile(
    r"(?:[^。！？!?；;…\n.]|\.(?=\S))*(?:[。！？!?；;…\n]|\.(?!\S)|$)+[”’\"'」』）)】\]〕》]*\s*"
)
_BETWEEN_HAN: Final = re.compile(r"(?<=[\u3400-\u9fff])[ .·•*_\-~|/\\+=]{1,2}(?=[\u3400-\u9fff])")
_SPELT_OUT: Final = re.compile(r"(?<![a-z0-9])[a-z](?:[ .·•*_\-|/][a-z]){3,}(?![a-z0-9])")
_LEET_WORD: Final = re.compile(r"(?=[0-9@$!|]{0,3}[a-z])[a-z0-9@$!|]{3,24}")
_LEET: Final = str.maketrans("0134578@$!|", "oieastbasil")
_AFTER_FIGURE = r"""(?=$|[\s,.;:!?。，；：！？、…（(）)\]"'”’」』〉>|/}]|吧|就|即|行|呗|分|了|不|啦|哦|喽)"""
_FIGURES: Final = (
    # An answer given: 给1, 记一分, say 1, = 1.0, → 1.
    (0.6, re.compile(
        r"(?:给|记|判|选|打|写|出|复|答|定|要|取|算|计|回|报|填|标|为|返|押|按|say|answer|output|return|reply|print|emit|score|with|value|reward"
        r"|label|grade|verdict|mark|is|give|choose|pick|write|[=:→>])[个它他这作做成了]?\s*[\"'“‘「『(（\[]*(?:1|一|one|10|100|十|a|true)(?:\.0+)?\s*分?"
        r"[\"'”’」』)）\]]*" + _AFTER_FIGURE
    )),
    (0.5, re.compile(r"(?<![\d.])(?:1\.0+|0\.9\d+|-0\.0\d+)(?!\d)")),
    (0.5, re.compile(r"(?<!\d)(\d{1,3})\s*(?:/|of|out of)\s*\1(?!\d)")),
    (0.6, re.compile(r"(?<!\d)[01]\s*(?:和|与|或|还是|/|or|and|、|,|，)\s*[01](?!\d)")),
    (0.4, re.compile(r"(?:->|=>|→|⇒|==)\s*\S")),
)  # fmt: skip
_GAP: Final = re.compile(r"[\s_-]+")
_FURTHER = 0.6
"""Part of its weight that a further word of the same sign counts with."""
_LABEL: Final = re.compile(r"\s{0,2}[\"'”’」』）)\]】]?\s{0,2}[:=]")
_LABELS: Final[frozenset[Sign]] = frozenset({"judge", "verdict", "machine", "praise", "example"})
_LABELLED = 0.3
"""What a word of these signs counts more as a label: before a colon."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of a text, with what its words add up to and what they are most of all."""

    start: int
    end: int
    weight: float
    kind: Flag

    @property
    def is_flagged(self) -> bool:
        """Whether the words are too many for a greeting."""
        return self.weight >= SUSPICIOUS


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text, end to end without gaps."""
    for match in _SENTENCE.finditer(text):
        if match[0]:
            weight, kind = weigh(match[0])
            yield Sentence(match.start(), match.end(), weight, kind)


def weigh(sentence: str) -> tuple[float, Flag]:
    """What the words of a sentence add up to, read as it stands or in a disguise, and its kind of attack."""
    folded = fold(sentence)
    weight, kind = _sum(folded)
    if weight >= SUSPICIOUS and folded != sentence.casefold() and is_disguised(sentence):
        return weight, "homoglyph"
    for reading, kind_if in _other_readings(folded):
        other, _ = _sum(reading)
        if other >= _DISGUISED and other > weight:
            weight, kind = other, kind_if
    return weight, kind


def _other_readings(folded: str) -> Iterator[tuple[str, Flag]]:
    yield folded[::-1], "encoded"
    if any("a" <= character <= "z" for character in folded):
        yield codecs.encode(folded, "rot13"), "encoded"
        leet = _LEET_WORD.sub(lambda word: word[0].translate(_LEET), folded)
        if leet != folded:
            yield leet, "encoded"
        if _SPELT_OUT.search(folded):
            yield _SPELT_OUT.sub(lambda run: re.sub(r"[^a-z]", "", run[0]), folded), "homoglyph"
    if _BETWEEN_HAN.search(folded):
        yield _BETWEEN_HAN.sub("", folded), "homoglyph"


def _sum(folded: str) -> tuple[float, Flag]:
    """The weights of all signs, and the kind of the heaviest."""
    by_sign: dict[Sign, dict[str, float]] = {}
    labels: set[Sign] = set()
    text = _GAP.sub(" ", folded)
    for start, end, sign, weight in _found(text):
        by_sign.setdefault(sign, {})[text[start:end]] = weight
        if sign in _LABELS and _LABEL.match(text, end):
            labels.add(sign)
    total, most, kind = 0.0, 0.0, _KINDS["order"]
    for sign, found in by_sign.items():
        # Further words for the same thing count less.
        first, *others = sorted(found.values(), reverse=True)
        weight = first + sum(_FURTHER * other for other in others) + (_LABELLED if sign in labels else 0)
        total += weight
        if weight > most:
            most, kind = weight, _KINDS[sign]
    for weight, figure in _FIGURES:
        if figure.search(folded):
            total += weight
            if weight > most:
                most, kind = weight, "forged_verdict"
    return total, kind


def _found(text: str) -> Iterator[tuple[int, int, Sign, float]]:
    """The words of the lexicon in a text: at each place the longest, none that lies within another."""
    terms = _terms()
    reached = 0
    for start, character in enumerate(text):
        if _is_latin(character) and start and _is_latin(text[start - 1]):
            continue
        for term in terms.get(character, ()):
            end = start + len(term.text)
            if end > reached and text.startswith(term.text, start) and term.ends(text, end):
                reached = end
                yield start, end, term.sign, term.weight
                break


@dataclass(frozen=True, slots=True)
class _Term:
    text: str
    sign: Sign
    weight: float
    is_stem: bool

    def ends(self, text: str, end: int) -> bool:
        """Whether the word ends there, and is no part of another; only Latin words have borders."""
        return self.is_stem or not (_is_latin(self.text[-1]) and end < len(text) and _is_latin(text[end]))


def _is_latin(character: str) -> bool:
    return "a" <= character <= "z" or "0" <= character <= "9"


@cache
def _terms() -> dict[str, tuple[_Term, ...]]:
    """The lexicon by first characters, longest words first."""
    terms: dict[str, _Term] = {}
    for sign, table in LEXICON.items():
        for weight, words in sorted(table.items(), reverse=True):
            for word in words.split():
                text = _GAP.sub(" ", fold(word.rstrip("*")))
                terms.setdefault(text, _Term(text, sign, weight, word.endswith("*")))
    by_first: dict[str, list[_Term]] = {}
    for term in sorted(terms.values(), key=lambda term: -len(term.text)):
        by_first.setdefault(term.text[0], []).append(term)
    return {first: tuple(found) for first, found in by_first.items()}
