"""Text written in code, and what it says."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

_READABLE = 0.8
"""Share of letters, digits, spaces and everyday signs from which on decoded bytes are taken for text."""

_ESCAPE: Final = re.compile(r"\\[uU]\{?([0-9a-fA-F]{4,8})\}?|[uU]\+([0-9a-fA-F]{4,6})|\\x([0-9a-fA-F]{2})")
_MORSE_CODES = """
    .- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --..
    .---- ..--- ...-- ....- ..... -.... --... ---.. ----. -----
"""
_MORSE: Final = dict(
    zip(
        _MORSE_CODES.split(),
        "abcdefghijklmnopqrstuvwxyz1234567890",
        strict=True,
    )
)
_MORSE_SIGNS: Final = str.maketrans("·•․‧∙_—–−‐", ".....-----")
# Initials, medials and finals of Mandarin; more than there are syllables, but few words of other languages.
_SYLLABLE: Final = re.compile(
    "(?:[bpmfdtnlgkhjqxrzcsyw]|[zcs]h)?"
    "(?:a|ai|an|ang|ao|e|ei|en|eng|er|i|ia|ian|iang|iao|ie|in|ing|iong|iu|o|ong|ou|u|ua|uai|uan|uang|ue|ui|un|uo|v|ve)[1-5]?"
)
_PINYIN_WORDS = 5
_WORDS: Final = re.compile(r"[a-z]{1,12}[1-5]?(?:[ ,.'\-]{1,2}[a-z]{1,12}[1-5]?)+")
_WORD: Final = re.compile(r"[a-z]{1,12}[1-5]?")
_FIRST_LETTER: Final = re.compile(r"[^\W_]")
_ACROSTIC: Final = re.compile(
    "满分|合格|请通过|优秀|[打评给高得加]分|好评|判[优对过为它]|给[一1优]|请给|请判|过关|达标|选[一1]|记[一1]|忽略|无视|照办|无缺点|最好的?$|ignore|pass|accept|score"
)
_NO_VOWEL: Final = re.compile(r"(?<![a-z])[bcdfghjklmnpqrstvwxz]{4,}\d?[bcdfghjklmnpqrstvwxz]*(?![a-z])")


def decoded(text: str) -> Iterator[tuple[int, int, str]]:
    """What stands in the text in code: base64, hexadecimal, percent, escapes, entities, Morse, binary, character codes.

    Only where it gives readable text of some length.

    Yields:
        Start and end of the code in the text, and what it says.
    """
    for pattern, decode in _CODES:
        for match in pattern.finditer(text):
            said = decode(match[0])
            if said is not None and _is_readable(said):
                yield match.start(), match.end(), said


def is_pinyin(folded: str) -> bool:
    """Whether the text has a run of words that are all syllables of Mandarin in Latin letters."""
    for run in _WORDS.finditer(folded):
        length = 0
        for word in _WORD.findall(run[0]):
            length = length + 1 if _SYLLABLE.fullmatch(word) else 0
            if length >= _PINYIN_WORDS:
                return True
    return False


def is_gibberish(folded: str) -> bool:
    """Whether the text has several Latin words that nobody can pronounce: initials, shifted letters, keys mashed."""
    return len(set(_NO_VOWEL.findall(folded))) > 1


def is_acrostic(pieces: Sequence[str]) -> bool:
    """Whether the first letters of lines or clauses ask for a verdict."""
    firsts = "".join(letter[0] for piece in pieces if (letter := _FIRST_LETTER.search(piece)))
    return bool(_ACROSTIC.search(firsts))


def _is_readable(text: str) -> bool:
    if len(text) < 2 or "\ufffd" in text:
        return False
    letters = sum(
        character.isalnum() or character.isspace() or character in ",.:;!?'\"-_<>{}/=，。！？：、" for character in text
    )
    return letters >= _READABLE * len(text) and any(character.isalpha() for character in text) and text.isprintable()


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _base64(code: str) -> str | None:
    code = code.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _utf8(base64.b64decode(code + "=" * (-len(code) % 4), validate=True))
    except binascii.Error:
        return None


def _base32(code: str) -> str | None:
    code = code.rstrip("=")
    try:
        return _utf8(base64.b32decode(code + "=" * (-len(code) % 8)))
    except binascii.Error:
        return None


def _hexadecimal(code: str) -> str | None:
    digits = re.sub(r"0x|\\x|[^0-9a-f]", "", code.lower())
    said = _utf8(bytes.fromhex(digits[: len(digits) // 2 * 2]))
    # Dates and telephone numbers are hexadecimal, too, and now and then readable.
    return (
        said if said is not None and sum(character.isalpha() for character in said) >= max(3, len(said) / 2) else None
    )


def _percent(code: str) -> str | None:
    return _utf8(unquote_to_bytes(code.replace("=", "%")))


def _escapes(code: str) -> str | None:
    numbers = [int(next(filter(None, groups)), 16) for groups in _ESCAPE.findall(code)]
    return "".join(map(chr, numbers)) if all(n < 0xD800 or 0xDFFF < n < 0x110000 for n in numbers) else None


def _entities(code: str) -> str | None:
    said = html.unescape(code)
    return said if said != code else None


def _binary(code: str) -> str | None:
    bits = re.sub("[^01]", "", code)
    return _utf8(bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits) - 7, 8)))


def _codes(code: str) -> str | None:
    numbers = [int(number) for number in re.findall(r"\d+", code)]
    said = "".join(map(chr, numbers))
    return said if said.isascii() and sum(character.isalpha() for character in said) >= 0.7 * len(said) else None


def _morse(code: str) -> str | None:
    words = [_MORSE.get(word) for word in re.split(r"[\s/|]+", code.translate(_MORSE_SIGNS).strip(" /|\n"))]
    # SOS and a dotted line are no messages.
    return "".join(map(str, words)) if None not in words and len(words) >= 5 and len(set(words)) >= 3 else None


_CODES: Final[tuple[tuple[re.Pattern[str], Callable[[str], str | None]], ...]] = (
    (re.compile(r"[A-Za-z0-9+/_-]{10,}={0,2}"), _base64),
    (re.compile(r"[A-Z2-7]{16,}={0,6}"), _base32),
    (re.compile(r"(?:(?:0x|\\x)?[0-9a-fA-F]{2}[\s,:;-]?){4,}"), _hexadecimal),
    (re.compile(r"(?:[%=][0-9a-fA-F]{2}){3,}"), _percent),
    (re.compile(rf"(?:(?:{_ESCAPE.pattern})\s?){{2,}}"), _escapes),
    (re.compile(r"(?:&(?:#\d{2,6}|#x[0-9a-fA-F]{2,5}|[a-z]{2,8});\s?){2,}"), _entities),
    (re.compile(r"(?:[01]{8}\s?){2,}"), _binary),
    (re.compile(r"(?:\d{2,3}[\s,]{1,2}){4,}\d{2,3}"), _codes),
    (re.compile(r"(?:[.\-·•․‧∙_—–−‐]{1,6}[ /|]{1,3}){3,}[.\-·•․‧∙_—–−‐]{1,6}"), _morse),
)
