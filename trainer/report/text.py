"""Texts of unknown origin, made fit to be shown."""

from __future__ import annotations

import re
import unicodedata

_NEVER_SHOWN = {"Cc", "Cs"}
_KEPT = {"\n", "\t"}


def clean(text: str) -> str:
    """Without control characters and lone surrogates, which HTML, SVG or UTF-8 cannot hold; lines end in a newline."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) in _NEVER_SHOWN and each not in _KEPT else each
        for each in text
    ).translate({0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD})


def clean_line(text: str) -> str:
    """The same in one line: all white space is one space."""
    return re.sub(r"\s+", " ", clean(text)).strip()
