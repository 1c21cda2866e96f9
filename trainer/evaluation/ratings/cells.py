"""Cells of the sheets: what policies wrote must neither run in a spreadsheet program nor be lost there."""

from __future__ import annotations

import unicodedata

from shared.errors import InvalidData

MAX_CELL_CHARACTERS = 32_767
"""Excel cuts longer cells."""
BLANK = "（空白 / blank）"
NEUTRAL = "'"
"""A cell that begins with this is text, whatever follows."""

_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_KEPT = {"\n", "\t"}


def safe_cell(text: str, where: str) -> str:
    """A text as a cell that spreadsheet programs show and do not run.

    A formula begins with one of ``= + - @``, also in their full-width forms and behind spaces; control characters that
    no cell can show become U+FFFD. See OWASP, CSV Injection.

    Raises:
        InvalidData: The text is longer than a cell can be; ``where`` says which one it is.
    """
    if not text.strip():
        return BLANK
    shown = "".join(
        "\ufffd" if unicodedata.category(character) == "Cc" and character not in _KEPT else character
        for character in text.replace("\r\n", "\n").replace("\r", "\n")
    )
    begin = unicodedata.normalize("NFKC", shown.lstrip(" \u00a0\u3000\ufeff\u200b")[:1])
    if begin.startswith(_STARTS_FORMULA):
        shown = NEUTRAL + shown
    if len(shown) > MAX_CELL_CHARACTERS:
        raise InvalidData(where, f"a text of {len(shown):,} characters does not fit into a cell of a sheet")
    return shown
