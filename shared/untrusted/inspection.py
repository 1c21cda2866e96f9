"""Looking through a text for attacks on its judge, and what of it a prompt may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from shared.untrusted.characters import clean, fold, is_disguised
from shared.untrusted.encodings import decoded, is_acrostic, is_gibberish, is_pinyin
from shared.untrusted.flags import Flag
from shared.untrusted.shape import LONG, is_degenerate, is_foreign, is_stuffed
from shared.untrusted.structure import block, neutralise
from shared.untrusted.wording import SUSPICIOUS, Sentence, sentences

CUT = "[…]"
"""Stands where something was cut."""
SHOWN_CHARACTERS = 2_000
"""Longer texts are cut here; nothing behind is looked at, as nothing behind is shown."""

_PASSES = 6
"""Times that a text is gone through until nothing changes; then all of it is cut."""
_CODES_IN_CODES = 2
_NEAR = 3
_NEAR_WEIGHT = 1.2
"""From this sum on over so many sentences, those are flagged that have a part in it."""
_PART_OF_IT = 0.3
_LEFT_BETWEEN = 60
_LEFT_AFTER = 4
"""Letters: so few are no sentence."""
_LINE: Final = re.compile(r"[^\n]+")
_CLAUSE: Final = re.compile(r"[^，。！？；,.!?;…\n]+")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen in a text.

    Attributes:
        flags: Kinds of attack that the text shows signs of, sorted; see `shared.untrusted.flags`. Empty for nearly all
            honest greetings.
        shown: What a prompt may hold: the text in NFC, without invisible and direction-turning characters, its
            control tokens broken, sentences and blocks with signs of an attack cut out. Inspecting it again changes
            nothing.
    """

    flags: tuple[Flag, ...]
    shown: str


def inspect(text: str) -> Inspection:
    """Look through a text that somebody else wrote. Takes time linear in its length and never fails.

    A flag is a suspicion: it says that the text has signs of an attack, not that it is one.
    """
    flags, shown = _look(text)
    if shown == text:
        return Inspection(tuple(sorted(flags)), shown)
    for _ in range(_PASSES):
        _, again = _look(shown)
        if again == shown:
            return Inspection(tuple(sorted(flags)), shown)
        shown = again
    return Inspection(tuple(sorted(flags)), CUT)


def disarm(text: str) -> str:
    """The whole text without its tricks of characters: what a prompt may hold of a text whose author is trusted.

    Nothing is cut: a request for a greeting may well speak of marks, verdicts or JSON.
    """
    for _ in range(_PASSES):
        before, text = text, neutralise(clean(text)[0])
        if text == before:
            break
    return text


@dataclass(slots=True)
class _Findings:
    flags: set[Flag]
    cuts: list[tuple[int, int]] = field(default_factory=list)

    def cut(self, sentence: Sentence, flag: Flag) -> None:
        self.flags.add(flag)
        self.cuts.append((sentence.start, sentence.end))


def _look(text: str) -> tuple[set[Flag], str]:
    """One pass over a text: the signs in it, and the text without them."""
    text, flags = clean(text)
    found = _Findings(flags)
    too_long = len(text) > SHOWN_CHARACTERS
    if len(text) > LONG:
        flags.add("long_text")
    if too_long:
        text = text[: SHOWN_CHARACTERS - len(CUT)]
    if is_degenerate(text):
        flags.add("degenerate")

    start, blocks = block(text)
    flags |= blocks
    if start is not None:
        found.cuts.append((start, len(text)))
    all_of_it = list(sentences(text))
    _by_words(all_of_it, found)
    _by_script(text, all_of_it, found)
    _by_code(text, all_of_it, found)
    _by_repetition(text, all_of_it, found)
    shown = neutralise(_without(text, found.cuts))
    return flags, shown + CUT if too_long and not shown.endswith(CUT) else shown


def _by_words(all_of_it: list[Sentence], found: _Findings) -> None:
    # Whoever hides characters has something to hide: less is enough then.
    enough = _PART_OF_IT if found.flags & {"bidi", "invisible"} else SUSPICIOUS
    for first, sentence in enumerate(all_of_it):
        if sentence.weight >= enough:
            found.cut(sentence, sentence.kind)
        near = all_of_it[first : first + _NEAR]
        if sum(one.weight for one in near) >= _NEAR_WEIGHT:
            for one in near:
                if one.weight >= _PART_OF_IT:
                    found.cut(one, one.kind)


def _by_script(text: str, all_of_it: list[Sentence], found: _Findings) -> None:
    if is_foreign(text.lower()):
        found.flags.add("language_switch")
    for sentence in all_of_it:
        part = text[sentence.start : sentence.end]
        if is_foreign(part.lower()):
            found.cut(sentence, "language_switch")
        if is_disguised(part):
            found.cut(sentence, "homoglyph")


def _by_code(text: str, all_of_it: list[Sentence], found: _Findings) -> None:
    for start, end, said in decoded(text):
        found.flags |= _flags_of_code(said)
        for sentence in all_of_it:
            if sentence.start < end and sentence.end > start:
                found.cut(sentence, "encoded")
    for sentence in all_of_it:
        part = fold(text[sentence.start : sentence.end])
        if is_pinyin(part) or is_gibberish(part):
            found.cut(sentence, "encoded")
    if any(is_acrostic(pieces.findall(fold(text))) for pieces in (_LINE, _CLAUSE)):
        found.flags.add("encoded")


def _flags_of_code(said: str, depth: int = 1) -> set[Flag]:
    """What a text says that stood in code, and what stands in code there, once more."""
    _, flags = block(said)
    flags |= {sentence.kind for sentence in sentences(said) if sentence.is_flagged}
    if depth < _CODES_IN_CODES:
        for _, _, inner in decoded(said):
            flags |= _flags_of_code(inner, depth + 1)
    return flags


def _by_repetition(text: str, all_of_it: list[Sentence], found: _Findings) -> None:
    if is_stuffed(fold(text)):
        found.flags.add("token_stuffing")
    seen: dict[str, int] = {}
    for sentence in all_of_it:
        part = fold(text[sentence.start : sentence.end])
        key = "".join(filter(str.isalnum, part))
        seen[key] = seen.get(key, 0) + 1
        if is_stuffed(part) or (key and seen[key] > 2):
            found.cut(sentence, "token_stuffing")


def _without(text: str, cuts: list[tuple[int, int]]) -> str:
    """The text with a mark for each cut. What is left between two cuts, or a few letters after one, goes with them."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(cuts):
        if joined and start - joined[-1][1] <= _LEFT_BETWEEN:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    kept: list[str] = []
    place = 0
    for start, end in joined:
        kept += text[place:start], CUT
        place = end
    rest = text[place:]
    if not joined or sum(map(str.isalnum, rest)) >= _LEFT_AFTER:
        kept.append(rest)
    return "".join(kept)


def has_words(shown: str) -> bool:
    """Whether a letter or digit is left of what `inspect` shows."""
    return any(map(str.isalnum, shown.replace(CUT, "")))
