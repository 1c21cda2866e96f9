"""What the starter reward model can tell apart, on pairs that it has never seen."""

from __future__ import annotations

import dataclasses
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from services.reward_model.checkpoint import Checkpoint
from trainer.data.negatives import NegativeMaker
from trainer.data.records import StarterPair
from trainer.evaluation.intervals import Interval, bootstrap_mean

BATCH = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Shares of the pairs in which the good greeting gets the higher reward, with 95 % intervals.

    Attributes:
        pairs: Against the pair's own rejected completion.
        needs_prompt: The same, where only the prompt shows the flaw.
        other_occasion: Against a good greeting for another occasion.
        same_occasion: Against a good greeting for somebody else on the same occasion.
        broken: Against the same greeting, broken in each of the ways of `NegativeMaker`.
        length_correlation: Pearson's, of reward and characters over all good and rejected completions.
    """

    pairs: Interval
    needs_prompt: Interval
    other_occasion: Interval
    same_occasion: Interval
    broken: dict[str, Interval]
    length_correlation: float
    count: int


def measure(folder: Path, rows: Sequence[StarterPair], *, seed: int) -> Measured:
    """Score ``rows`` and what is made of them. Same seed, same figures."""
    checkpoint = Checkpoint(folder, folder.name, torch.device("cpu"), torch.float32)
    source = random.Random(seed)
    good = _rewards(checkpoint, [(row.prompt, row.chosen) for row in rows])
    flawed = _rewards(checkpoint, [(row.prompt, row.rejected) for row in rows])

    def wins(texts: Sequence[str]) -> Interval:
        asked = [(place, text) for place, text in enumerate(texts) if text]
        against = _rewards(checkpoint, [(rows[place].prompt, text) for place, text in asked])
        return bootstrap_mean([float(good[place] > reward) for (place, _), reward in zip(asked, against, strict=True)])

    def others(fits: Callable[[StarterPair, StarterPair], bool]) -> list[str]:
        return [source.choice([other for other in rows if fits(row, other)]).chosen for row in rows]

    lengths = [float(len(text)) for row in rows for text in (row.chosen, row.rejected)]
    rewards = [reward for pair in zip(good, flawed, strict=True) for reward in pair]
    won = [float(high > low) for high, low in zip(good, flawed, strict=True)]
    return Measured(
        pairs=bootstrap_mean(won),
        needs_prompt=bootstrap_mean([win for win, row in zip(won, rows, strict=True) if row.needs_prompt]),
        other_occasion=wins(others(lambda row, other: other.occasion != row.occasion)),
        same_occasion=wins(others(lambda row, other: other.occasion == row.occasion and other is not row)),
        broken={
            kind: wins([break_text(row.chosen) for row in rows])
            for kind, break_text in NegativeMaker([row.pair for row in rows], seed=seed).kinds.items()
        },
        length_correlation=statistics.correlation(lengths, rewards),
        count=len(rows),
    )


def _rewards(checkpoint: Checkpoint, texts: Sequence[tuple[str, str]]) -> list[float]:
    ids = checkpoint.encode([prompt for prompt, _ in texts], [completion for _, completion in texts])
    return [reward for begin in range(0, len(ids), BATCH) for reward in checkpoint.logits(ids[begin : begin + BATCH])]
