"""What length alone says of labels: a rule that counts characters, and nothing else, as good as it can be.

Lengths are whole numbers and there are few of them, so all figures come from how often each stands under either label:
that is exact, and as fast for 100,000 texts as for 100. `trainer.evaluation.auc` says the same of any score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.evaluation.auc import FLOOR, RESAMPLES, TOLERANCE
from trainer.evaluation.intervals import Interval

CLOSE = 0.2
"""Two texts are close in length where they differ by at most this share of the longer one."""

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LengthRule:
    """Good if a text has at least so many characters, or, turned round, fewer; chosen on some texts."""

    characters: int
    longer_is_good: bool

    def is_good(self, lengths: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Of each length."""
        good: npt.NDArray[np.bool_] = (np.asarray(lengths) >= self.characters) == self.longer_is_good
        return good

    def accuracy(self, lengths: Sequence[int], labels: Sequence[int]) -> float:
        """Share of texts whose label it says."""
        return float(np.mean(self.is_good(lengths) == (np.asarray(labels) == 1)))

    def __str__(self) -> str:
        return f"{'at least' if self.longer_is_good else 'fewer than'} {self.characters} characters"


def close_in_length(first: int, second: int) -> bool:
    """Whether two lengths differ by at most `CLOSE` of the greater one."""
    return abs(first - second) <= CLOSE * max(first, second)


def best_rule(lengths: Sequence[int], labels: Sequence[int]) -> LengthRule:
    """The rule that is right most often on these very texts; of several the one with the fewest characters.

    Raises:
        ValueError: There are no texts, or not as many labels.
    """
    if not lengths or len(lengths) != len(labels):
        raise ValueError(f"{len(lengths)} lengths and {len(labels)} labels")
    long, good = np.asarray(lengths), np.asarray(labels) == 1
    thresholds = np.append(np.unique(long), long.max() + 1)
    at_least_good = np.array([np.sum((long >= threshold) == good) for threshold in thresholds])
    up, down = int(at_least_good.argmax()), int(at_least_good.argmin())
    longer = bool(at_least_good[up] >= len(good) - at_least_good[down])
    return LengthRule(characters=int(thresholds[up if longer else down]), longer_is_good=longer)


def length_auc(
    good: Sequence[int], bad: Sequence[int], *, stratified: bool = False, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """How often a good text is longer than a bad one, ties counted half; with a bootstrap interval over texts.

    Args:
        good: Lengths of the good texts,
        bad: and of the bad ones.
        stratified: Only pairs of about the same length, as `trainer.evaluation.auc.length_stratified_auc` takes them.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        None where there is nothing to compare.
    """
    values = np.unique(np.asarray([*good, *bad], dtype=np.float64))
    counts = [np.array([np.sum(np.asarray(side) == value) for value in values], dtype=np.int64) for side in (good, bad)]
    first, second = values[:, None], values[None, :]
    compared = np.ones((len(values), len(values)))
    if stratified:
        compared = (np.abs(first - second) <= np.maximum(FLOOR, TOLERANCE * (first + second) / 2)).astype(np.float64)
    won = ((first > second) + 0.5 * (first == second)) * compared
    whole = _share(counts[0][None, :], counts[1][None, :], won, compared)
    if not (len(good) and len(bad)) or np.isnan(whole[0]):
        return None
    random = np.random.default_rng(seed)
    drawn = [random.multinomial(side.sum(), side / side.sum(), size=resamples) for side in counts]
    shares = _share(drawn[0], drawn[1], won, compared)
    low, high = np.nanpercentile(shares, [2.5, 97.5])
    return Interval(float(whole[0]), float(low), float(high))


def _share(good: npt.NDArray[np.int64], bad: npt.NDArray[np.int64], won: Floats, compared: Floats) -> Floats:
    """Of the compared pairs those that are won, ``(resamples,)``; NaN where there are none."""
    pairs = ((good @ compared) * bad).sum(axis=1)
    wins = ((good @ won) * bad).sum(axis=1)
    shares: Floats = np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return shares
