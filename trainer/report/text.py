"""Texts of unknown origin, made fit to be shown."""

from __future__ import annotations

import re

_NEVER_SHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_CHINESE = re.compile("[\u3400-\u9fff\U00020000-\U000323af]")


def clean(text: str) -> str:
    """Without control characters and lone surrogates, which HTML, SVG or UTF-8 cannot hold; lines end in a newline."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _NEVER_SHOWN.sub("\N{REPLACEMENT CHARACTER}", lines)


def clean_line(text: str) -> str:
    """The same in one line: all white space is one space."""
    return re.sub(r"\s+", " ", clean(text)).strip()


def is_chinese(text: str) -> bool:
    """Whether any of it is, and it has to be read aloud and drawn as such."""
    return _CHINESE.search(text) is not None
