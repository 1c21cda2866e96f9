"""Keeping a reward model from learning that long is good: what can be done to its pairs, and to its logits afterwards.

    batch      besides the pairs, each good text of a batch against each bad one in it that is about as long
    matched    only comparisons of texts that are about equally long, across prompts where a pair itself is not
    odin       a second head takes the length, see `trainer.reward_trainer.Odin`
    residual   trained as it comes; what length tells of the logit, the label held fixed, is subtracted afterwards

docs/reward-model.md says what each was worth.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from shared.reward_format import LengthCorrection
from trainer.data.lengths import CLOSE, close_in_length
from trainer.data.records import PreferencePair

PARTNERS = 2
"""Of each text whose own partner is of another length."""
JOIN_TRIES = 24
KNOTS = 8
RIDGE = 1e-3


class LengthControl(StrEnum):
    """See the module."""

    NONE = "none"
    BATCH = "batch"
    MATCHED = "matched"
    ODIN = "odin"
    RESIDUAL = "residual"


def same_length(first: str, second: str) -> bool:
    """Whether two texts are close in length, in characters."""
    return close_in_length(len(first), len(second))


def length_matched(pairs: Sequence[PreferencePair], *, seed: int) -> list[PreferencePair]:
    """Comparisons of about equally long texts in which the better texts of ``pairs`` take part.

    Pairs that are of one length stay. Any other better text is set against `PARTNERS` worse texts of other prompts that
    are as long as it; where there are too few of that length (the longest good texts have none), against worse texts
    joined to that length: bad in what they say, and padded. Same seed, same comparisons.
    """
    source = random.Random(seed)
    by_length = sorted(pairs, key=lambda pair: len(pair.rejected))
    lengths = [len(pair.rejected) for pair in by_length]
    matched: list[PreferencePair] = []
    for pair in pairs:
        if same_length(pair.chosen, pair.rejected):
            matched.append(pair)
            continue
        size = len(pair.chosen)
        low = bisect.bisect_left(lengths, size * (1 - CLOSE))
        high = bisect.bisect_right(lengths, size / (1 - CLOSE))
        others = [other for other in by_length[low:high] if other.chosen != pair.chosen]
        if len(others) >= PARTNERS:
            matched += [
                PreferencePair(pair.prompt, pair.chosen, other.rejected, _other_prompt(pair, other))
                for other in source.sample(others, PARTNERS)
            ]
        elif joined := _joined(pair, pairs, source):
            matched.append(PreferencePair(pair.prompt, pair.chosen, joined))
    return matched


def fit_length_correction(
    logits: Sequence[float], characters: Sequence[int], labels: Sequence[int]
) -> LengthCorrection | None:
    """What length alone adds to a logit, labels held fixed: least squares of a broken line and a step for the label.

    Args:
        logits: ``(texts,)``.
        characters: ``(texts,)``, of completions.
        labels: ``(texts,)``, 1 or 0.

    Returns:
        The line, with mean 0 over the texts; None where all are of one length.
    """
    size = np.asarray(characters, dtype=np.float64)
    knots = np.unique(np.quantile(size, np.linspace(0, 1, KNOTS)))
    if len(knots) < 2:
        return None
    hats = np.stack([np.interp(size, knots, row) for row in np.eye(len(knots))], axis=1)
    design = np.concatenate([hats, np.asarray(labels, dtype=np.float64)[:, None]], axis=1)
    penalty = RIDGE * len(size) * np.eye(design.shape[1])
    penalty[-1, -1] = 0.0
    target = np.asarray(logits, dtype=np.float64)
    heights = np.linalg.solve(design.T @ design + penalty, design.T @ target)[:-1]
    heights = heights - float((hats @ heights).mean())
    return LengthCorrection(characters=[float(knot) for knot in knots], logits=[float(height) for height in heights])


def _other_prompt(pair: PreferencePair, other: PreferencePair) -> str | None:
    return None if other.prompt == pair.prompt else other.prompt


def _joined(pair: PreferencePair, pairs: Sequence[PreferencePair], source: random.Random) -> str:
    """The worse text of a pair and others behind it, together as long as the better one; empty where that fails."""
    text = pair.rejected
    for _ in range(JOIN_TRIES):
        if same_length(text, pair.chosen):
            return text
        longer = text + source.choice(pairs).rejected
        if len(longer) * (1 - CLOSE) <= len(pair.chosen):
            text = longer
    return text if same_length(text, pair.chosen) else ""
