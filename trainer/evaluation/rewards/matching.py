"""Pairs of a good and a bad row in which length says nothing at all: who counts characters is right on just half.

`trainer.data.matching` pairs what is of about the same length. In data whose good texts are longer the good one is
still the longer one in most of these pairs: on the paper's, the length rule is right on three in four. Here they are of
one request and about the same length, or of two requests and exactly the same; and as often as the good text is the
longer one, so often is the bad one.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from trainer.data.folding import folded_text
from trainer.data.labelled import Labelled
from trainer.data.matching import about_as_long, in_order
from trainer.evaluation.rewards.groups import Integers


def matched_rows(rows: Sequence[Labelled], *, seed: int) -> Integers:
    """``(pairs, 2)``: places of a good and a bad row; no row is in two pairs.

    Args:
        rows: No two of them alike.
        seed: Of the order in which partners are found, and surplus pairs left out.
    """
    places = {row: place for place, row in enumerate(rows)}
    drawn = in_order(rows, [row.id for row in rows], str(seed))
    near = _balanced(_within_requests(drawn))
    taken = set(itertools.chain.from_iterable(near))
    pairs = near + _of_equal_length(row for row in drawn if row not in taken)
    found = sorted((places[good], places[bad]) for good, bad in pairs)
    return np.asarray(found, dtype=np.int64).reshape(-1, 2)


def _within_requests(rows: Iterable[Labelled]) -> list[tuple[Labelled, Labelled]]:
    """Each good row with the bad one of its request that is nearest in length, if any is near."""
    by_request: dict[str, list[Labelled]] = defaultdict(list)
    for row in rows:
        by_request[folded_text(row.prompt)].append(row)
    pairs = []
    for some in by_request.values():
        bad = [row for row in some if not row.label]
        for row in some:
            near = [other for other in bad if row.label and about_as_long(row.completion, other.completion)]
            if near:
                partner = min(near, key=lambda other, row=row: abs(_gap(row, other)))  # type: ignore[misc]
                bad.remove(partner)
                pairs.append((row, partner))
    return pairs


def _of_equal_length(rows: Iterable[Labelled]) -> list[tuple[Labelled, Labelled]]:
    by_length: dict[int, tuple[list[Labelled], list[Labelled]]] = defaultdict(lambda: ([], []))
    for row in rows:
        by_length[len(row.completion)][0 if row.label else 1].append(row)
    return [pair for good, bad in by_length.values() for pair in zip(good, bad, strict=False)]


def _balanced(pairs: Sequence[tuple[Labelled, Labelled]]) -> list[tuple[Labelled, Labelled]]:
    """As many whose good text is the longer one as whose bad text is; the first ones stay."""
    longer_good = [pair for pair in pairs if _gap(*pair) > 0]
    longer_bad = [pair for pair in pairs if _gap(*pair) < 0]
    count = min(len(longer_good), len(longer_bad))
    return [pair for pair in pairs if _gap(*pair) == 0] + longer_good[:count] + longer_bad[:count]


def _gap(good: Labelled, bad: Labelled) -> int:
    """By how many characters the good one is longer."""
    return len(good.completion) - len(bad.completion)
