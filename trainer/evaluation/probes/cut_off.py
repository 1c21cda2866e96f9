"""A greeting that ends in the middle of a sentence."""

from __future__ import annotations

import random
from typing import Final

from trainer.data.labelled import Labelled
from trainer.evaluation.probes.sentences import is_han

OPEN: Final = frozenset("的地如像似把被让使将与和及或在从向往比为以是就都又更最很每各其这那一不未愿祝")
"""No sentence ends with one of these; so whoever reads as far as here sees that something is missing."""
EARLIEST, LATEST = 0.4, 0.95
"""Of the text: where it is cut."""
SHORTEST = 10
"""Characters of a text that is cut."""


def cut_off(row: Labelled, source: random.Random) -> str | None:
    """A greeting that ends behind a character that no sentence ends with, and within a clause."""
    text = row.completion
    if len(text) < SHORTEST:
        return None
    ends = [
        end
        for end in range(int(EARLIEST * len(text)), int(LATEST * len(text)) + 1)
        if 0 < end < len(text) and text[end - 1] in OPEN and is_han(text[end])
    ]
    return text[: source.choice(ends)] if ends else None
