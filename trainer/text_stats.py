"""Figures about texts that need no model."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Final

DRAWS: Final = 5
"""Equal amounts are drawn so often, and distinct-n averaged."""


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Distinct character n-grams as a share of all, over all texts together; 0 where there are none.

    Source: Li et al. 2016, A diversity-promoting objective function, there with words. The share falls with the amount
    of text: compare only samples of about the same size.
    """
    grams = [text[start : start + n] for text in texts for start in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def distinct_in(texts: Sequence[str], n: int, characters: int, seed: int) -> float:
    """Distinct-n in so many characters of texts drawn at random, on average; in all where there are fewer."""
    generator = random.Random(seed)
    shares = []
    for _ in range(DRAWS):
        drawn, left = [], characters
        for text in generator.sample(texts, len(texts)):
            drawn.append(text[:left])
            left -= len(drawn[-1])
        shares.append(distinct_n(drawn, n))
    return statistics.fmean(shares)


def known_share(texts: Sequence[str], reference: Sequence[str], n: int) -> float:
    """Share of the texts' character n-grams that occur in the reference: low where a text is garbled.

    It cannot tell a good text from a copied one; it is a floor under fluency, no more.
    """
    known = {text[start : start + n] for text in reference for start in range(len(text) - n + 1)}
    grams = [text[start : start + n] for text in texts for start in range(len(text) - n + 1)]
    return sum(gram in known for gram in grams) / len(grams) if grams else 0.0
