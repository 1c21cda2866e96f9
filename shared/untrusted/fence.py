"""A fence around text that somebody else wrote, which the text can neither close nor imitate."""

from __future__ import annotations

import hashlib
import itertools
import unicodedata

NONCE_CHARACTERS = 6


def nonce_for(*texts: str) -> str:
    """A mark that stands in none of the texts: 6 hexadecimal digits of a SHA-256 over them and a counter.

    The same texts always have the same one, so that answers about them can be cached; and as it hangs on every
    character, nobody can write it into a text beforehand.
    """
    folded = [unicodedata.normalize("NFKC", text).casefold() for text in texts]
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    for counter in itertools.count():
        tried = digest.copy()
        tried.update(counter.to_bytes(8, "big"))
        nonce = tried.hexdigest()[:NONCE_CHARACTERS]
        if not any(nonce in text for text in folded):
            return nonce
    raise AssertionError("itertools.count() has ended")


def fence(label: str, text: str, nonce: str) -> str:
    """The text between two lines that carry the nonce.

    Args:
        label: What the text is, in a word of our own.
        text: As `shared.untrusted.inspect` shows it.
        nonce: From `nonce_for`, over all texts of the prompt.

    Raises:
        ValueError: The nonce stands in the text, or the label has several lines: the fence would not hold.
    """
    if not nonce or nonce in unicodedata.normalize("NFKC", text).casefold():
        raise ValueError("the nonce stands in the text that it is to fence")
    if not label or len(label.splitlines()) != 1:
        raise ValueError("the label of a fence is one line")
    return f"【{label} {nonce}】\n{text}\n【{label}完 {nonce}】"
