"""The same sentence again and again."""

from __future__ import annotations

import random

from trainer.data.labelled import Labelled
from trainer.evaluation.probes.sentences import ended, sentences_of

SHORTEST = 8
"""Characters of a sentence that is said again; a wish of four may well be said twice."""
LEAST, MOST = 2, 3
"""So often a sentence is said again."""


def with_a_sentence_again(row: Labelled, source: random.Random) -> str:
    """A greeting, and then one of its sentences two or three times more; all of it where no sentence is long enough."""
    sentences = [sentence for sentence in sentences_of(row.completion) if len(sentence) >= SHORTEST]
    return ended(row.completion) + ended(source.choice(sentences or [row.completion])) * source.randint(LEAST, MOST)
