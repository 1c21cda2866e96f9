"""When two texts count as the same one."""

from __future__ import annotations

import unicodedata


def folded_text(text: str) -> str:
    """A text without regard to width, case and white space, to be compared with others."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
