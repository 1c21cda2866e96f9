"""What the starter reward model can tell apart, on pairs that it has never seen."""

from __future__ import annotations

import dataclasses
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from shared.reward_format import DEFAULT_MAX_TOKENS, RewardFormat, default_format
from trainer.data.negatives import NegativeMaker
from trainer.data.records import PreferencePair, StarterPair
from trainer.evaluation.intervals import Interval, bootstrap_mean
from trainer.models import load_tokenizer
from trainer.reward_validation import score_pairs


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
    tokenizer = load_tokenizer(str(folder))
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    form = RewardFormat.read(folder) or default_format(tokenizer, DEFAULT_MAX_TOKENS)
    source = random.Random(seed)

    def rewards(others: Sequence[str]) -> list[tuple[float, float]]:
        """Of each good greeting and of what stands against it; rows without anything are left out."""
        pairs = [PreferencePair(row.prompt, row.chosen, text) for row, text in zip(rows, others, strict=True) if text]
        return list(zip(*score_pairs(model, tokenizer, form.encoding, pairs), strict=True))

    def wins(others: Sequence[str]) -> Interval:
        return bootstrap_mean([float(good > other) for good, other in rewards(others)])

    def other_greetings(fits: Callable[[StarterPair, StarterPair], bool]) -> list[str]:
        return [source.choice([other for other in rows if fits(row, other)]).chosen for row in rows]

    own = rewards([row.rejected for row in rows])
    won = [float(good > flawed) for good, flawed in own]
    lengths = [float(len(text)) for row in rows for text in (row.chosen, row.rejected)]
    broken = NegativeMaker([row.pair for row in rows], seed=seed).kinds
    return Measured(
        pairs=bootstrap_mean(won),
        needs_prompt=bootstrap_mean([win for win, row in zip(won, rows, strict=True) if row.needs_prompt]),
        other_occasion=wins(other_greetings(lambda row, other: other.occasion != row.occasion)),
        same_occasion=wins(other_greetings(lambda row, other: other.occasion == row.occasion and other is not row)),
        broken={kind: wins([break_text(row.chosen) for row in rows]) for kind, break_text in broken.items()},
        length_correlation=statistics.correlation(lengths, [reward for pair in own for reward in pair]),
        count=len(rows),
    )
