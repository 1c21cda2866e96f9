"""Self-BLEU: how much the texts of one writer repeat each other; 1 where all are the same, near 0 where none is alike.

Source: Zhu et al. 2018, Texygen. Each text's BLEU (Papineni et al. 2002) is taken with all the others as references,
here of characters, up to 4 in a row. An order without a match counts as a tenth of one (method 1 of Chen and Cherry
2014); of a text with fewer than 4 characters the orders that it has count. More texts match more: compare only sets of
the same size.
"""

from __future__ import annotations

import bisect
import collections
import math
from collections.abc import Sequence

ORDERS = 4
NO_MATCH = 0.1

Gram = tuple[object, ...]


def self_bleu(texts: Sequence[Sequence[object]]) -> list[float]:
    """BLEU of each text against all the others, as its references.

    Time grows with the number of characters, not with that of pairs.

    Args:
        texts: Of tokens; a `str` is one of characters. Two at least, none empty.

    Raises:
        ValueError: There are fewer than two texts, or one is empty.
    """
    if len(texts) < 2:
        raise ValueError("self-BLEU compares texts with each other: there must be two at least")
    if not all(texts):
        raise ValueError("an empty text has no BLEU: leave such texts out, and say how many")
    lengths = sorted(map(len, texts))
    logs = [_log_brevity(len(text), _closest(len(text), lengths)) for text in texts]
    sums, orders = [0.0] * len(texts), [0] * len(texts)
    unlike = [False] * len(texts)
    for order in range(1, ORDERS + 1):
        counts = [_grams(text, order) for text in texts]
        most = _MostElsewhere(counts)
        for place, own in enumerate(counts):
            total = sum(own.values())
            if total == 0:
                continue
            matched = sum(min(count, most.of(gram, place)) for gram, count in own.items())
            unlike[place] |= order == 1 and matched == 0
            sums[place] += math.log((matched or NO_MATCH) / total)
            orders[place] += 1
    return [
        0.0 if alone else math.exp(log + some / count)
        for alone, log, some, count in zip(unlike, logs, sums, orders, strict=True)
    ]


class _MostElsewhere:
    """How often each gram stands in that one of the other texts that has it most often."""

    def __init__(self, counts: Sequence[collections.Counter[Gram]]) -> None:
        self._most: dict[Gram, tuple[int, int, int]] = {}  # the highest count, whose it is, the second highest
        for place, own in enumerate(counts):
            for gram, count in own.items():
                highest, holder, second = self._most.get(gram, (0, -1, 0))
                if count > highest:
                    self._most[gram] = (count, place, highest)
                elif count > second:
                    self._most[gram] = (highest, holder, count)

    def of(self, gram: Gram, place: int) -> int:
        highest, holder, second = self._most[gram]
        return second if holder == place else highest


def _grams(text: Sequence[object], order: int) -> collections.Counter[Gram]:
    return collections.Counter(tuple(text[start : start + order]) for start in range(len(text) - order + 1))


def _closest(length: int, lengths: Sequence[int]) -> int:
    """Of the other texts' lengths the closest one, of two the shorter. ``lengths`` are sorted and hold the own one."""
    place = bisect.bisect_left(lengths, length)
    others = [*lengths[max(0, place - 1) : place], *lengths[place + 1 : place + 2]]
    return min(others, key=lambda other: (abs(other - length), other))


def _log_brevity(length: int, reference: int) -> float:
    """Logarithm of BLEU's penalty for texts that are shorter than their reference."""
    return min(0.0, 1 - reference / length)
