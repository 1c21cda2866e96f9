"""The gate: a labelled, length-matched set decides whether changed principles stay.

**Agreement** is the share of verdicts that are the label, over pairs of which both texts have a verdict. A verdict that
failed is no wrong answer: it takes its pair out, is counted apart, and where failures are too many nothing is decided.

**Rule.** With the same pairs judged by both, d is the mean of candidate minus best, with its 95 % paired bootstrap
interval over pairs. The candidate

- stays in force where the interval reaches 0 or above (it is not significantly worse than the best), else what was in
  force before the change is again;
- is the new best where d itself is above 0.

At the end the best wins, not the last. The candidate is always compared with the best, so that small losses, none of
them significant by itself, cannot add up to a large one.

**What it cannot do.** With n pairs the interval is about ±1/sqrt(n) wide: the gate stops ruin, and lets pass what is
too small to be seen. And it is asked again and again with one set: the best of many versions is in part the luckiest,
and its agreement here is too high by that. That is why it is not the figure that is reported: the best and the start
are measured once more, at the end, on data that decided nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from trainer.evaluation.intervals import Interval, bootstrap_mean
from trainer.judge_optimizer.errors import GateUnusable
from trainer.judge_optimizer.strategy import Strategy

Verdict = Literal[0, 1]
Why = Literal["better", "not_worse", "worse", "too_many_failures"]


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """What a strategy said about a matched set.

    Attributes:
        strategy: Whose verdicts they are.
        verdicts: Good, bad, good, bad, … as `trainer.data.matching.MatchedSet.rows`; None: it failed.
    """

    strategy: Strategy
    verdicts: tuple[Verdict | None, ...]

    @property
    def failed(self) -> int:
        """Verdicts that there are not."""
        return self.verdicts.count(None)

    @property
    def failed_share(self) -> float:
        """Of all rows."""
        return self.failed / len(self.verdicts)

    @property
    def called_good(self) -> float | None:
        """Share of verdicts that are 1; None where there are no verdicts."""
        said = [verdict for verdict in self.verdicts if verdict is not None]
        return sum(said) / len(said) if said else None

    @property
    def agreement(self) -> Interval | None:
        """Share of verdicts that are the label, with its 95 % interval over pairs; None where no pair is whole."""
        scores = [score for score in self.by_pair() if score is not None]
        return bootstrap_mean(scores) if scores else None

    def by_pair(self) -> list[float | None]:
        """For each pair 0, 0.5 or 1: the share of its two verdicts that are right; None where one of them failed."""
        goods, bads = self.verdicts[::2], self.verdicts[1::2]
        return [
            None if good is None or bad is None else (good + (1 - bad)) / 2
            for good, bad in zip(goods, bads, strict=True)
        ]

    def to_json(self) -> dict[str, JsonValue]:
        """For the log."""
        scored = sum(score is not None for score in self.by_pair())
        return {
            "agreement": interval_json(self.agreement),
            "pairs": scored,
            "failed": self.failed,
            "called_good": self.called_good,
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate says of a candidate.

    Attributes:
        kept: It stays in force.
        is_best: It is the new best.
        why: In a word.
        difference: Candidate minus best; None where too few verdicts could be read.
    """

    kept: bool
    is_best: bool
    why: Why
    difference: Interval | None

    def to_json(self) -> dict[str, JsonValue]:
        """For the log."""
        return {
            "decision": "kept" if self.kept else "rolled_back",
            "why": self.why,
            "is_best": self.is_best,
            "difference": interval_json(self.difference),
        }


class Gate:
    """Decides by the rule above; ``max_failed_share`` is how many verdicts of a candidate may be missing."""

    def __init__(self, max_failed_share: float) -> None:
        self._max_failed_share = max_failed_share

    def check_start(self, start: Measurement) -> None:
        """Raise `GateUnusable` where nothing could be compared with the starting principles."""
        if start.failed_share > self._max_failed_share or start.agreement is None:
            raise GateUnusable(
                f"{start.failed} of {len(start.verdicts)} verdicts of the starting principles failed; at most "
                f"{self._max_failed_share:.0%} may: this model, or these principles, cannot be measured"
            )

    def decide(self, candidate: Measurement, best: Measurement) -> Decision:
        """Compare a candidate with the best so far."""
        difference = paired_difference(best, candidate)
        if candidate.failed_share > self._max_failed_share or difference is None:
            return Decision(kept=False, is_best=False, why="too_many_failures", difference=difference)
        if difference.mean > 0:
            return Decision(kept=True, is_best=True, why="better", difference=difference)
        kept = difference.high >= 0
        return Decision(kept=kept, is_best=False, why="not_worse" if kept else "worse", difference=difference)


def paired_difference(before: Measurement, after: Measurement) -> Interval | None:
    """Mean of after minus before over pairs that both judged in whole; None where there are none."""
    differences = [
        late - early
        for early, late in zip(before.by_pair(), after.by_pair(), strict=True)
        if early is not None and late is not None
    ]
    return bootstrap_mean(differences) if differences else None


def interval_json(interval: Interval | None) -> JsonValue:
    """For the log: mean, low, high, rounded to what such figures can tell."""
    if interval is None:
        return None
    bounds: Sequence[float] = (interval.mean, interval.low, interval.high)
    mean, low, high = (round(bound, 6) for bound in bounds)
    return {"mean": mean, "low": low, "high": high}
