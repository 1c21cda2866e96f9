"""The same words in an order that makes no sense; punctuation stays where it is, so that it gives nothing away."""

from __future__ import annotations

import itertools
import random

from trainer.data.labelled import Labelled
from trainer.evaluation.probes.sentences import clauses_of, han_places

FEWEST_CHARACTERS = 8
FEWEST_CLAUSES = 5
"""Fewer may make sense in another order."""
TRIES = 500


def with_shuffled_characters(row: Labelled, source: random.Random) -> str | None:
    """All Chinese characters of a greeting change places with each other."""
    text = list(row.completion)
    places = han_places(row.completion)
    if len({text[place] for place in places}) < FEWEST_CHARACTERS:
        return None
    characters = [text[place] for place in places]
    source.shuffle(characters)
    for place, character in zip(places, characters, strict=True):
        text[place] = character
    return "".join(text)


def with_shuffled_clauses(row: Labelled, source: random.Random) -> str | None:
    """The clauses of a greeting so that none is at its place, and none behind the one that it stood behind."""
    clauses = clauses_of(row.completion)
    words = [clause for clause, _ in clauses]
    if len(set(words)) < len(words) or len(words) < FEWEST_CLAUSES:
        return None
    lead = row.completion[: row.completion.index(words[0])]
    order = list(range(len(words)))
    for _ in range(TRIES):
        source.shuffle(order)
        if all(place != was for place, was in enumerate(order)) and all(
            after != before + 1 for before, after in itertools.pairwise(order)
        ):
            return lead + "".join(words[was] + marks for was, (_, marks) in zip(order, clauses, strict=True))
    return None
