"""How well scores tell good from bad (AUC), also among texts of about the same length, with bootstrap intervals.

Where good texts are longer, a score that only counts characters has a high AUC. Compared only with bad texts of about
its own length, a good one no longer wins by its length: that figure is the length-stratified AUC.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from trainer.evaluation.intervals import Interval

RESAMPLES = 2_000
TOLERANCE, FLOOR = 0.1, 2.0
NUMBERS_AT_ONCE = 4_000_000
"""Bounds the memory: 8 bytes each, a few times over."""

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Auc:
    """A share of pairs in which the positive row has the higher score, ties counted half.

    Attributes:
        interval: The share, with its 95 % bootstrap interval over rows.
        pairs: Pairs of a positive and a negative row that were compared.
        positives: Positive rows in at least one of these pairs.
        negatives: Negative rows likewise.
    """

    interval: Interval
    pairs: int
    positives: int
    negatives: int

    @property
    def rows(self) -> int:
        """Rows that take part."""
        return self.positives + self.negatives

    def __str__(self) -> str:
        return str(self.interval)


class RankedPairs:
    """The pairs of a positive and a negative row that are compared, to be counted in any number of resamples.

    Pairs are never listed: within a band every positive row meets every negative one, so that it is enough to know how
    many of these, put in order, lie below it. Time and memory grow with the rows of the bands, not with their pairs.

    Args:
        scores: ``(rows,)``.
        is_good: ``(rows,)``, which rows are the positive ones.
        bands: Places of the positive and the negative rows of each band; a positive row is in one band at most.
    """

    def __init__(self, scores: Floats, is_good: Booleans, bands: Iterable[tuple[Places, Places]]) -> None:
        self.is_good = is_good
        self._bands: list[_Band] = []
        bad_rows: set[int] = set()
        self.pairs = self.positives = 0
        for good, bad in bands:
            if not (good.size and bad.size):
                continue
            ordered = bad[np.argsort(scores[bad], kind="stable")]
            below = np.searchsorted(scores[ordered], scores[good], side="left")
            not_above = np.searchsorted(scores[ordered], scores[good], side="right")
            self._bands.append(_Band(good, ordered, below, not_above))
            self.pairs += good.size * bad.size
            self.positives += good.size
            bad_rows.update(bad.tolist())
        self.negatives = len(bad_rows)

    @property
    def share(self) -> float:
        """The AUC of the rows as they are; NaN where there are no pairs."""
        return float(self.shares(np.ones((1, self.is_good.size)))[0])

    def shares(self, times: Floats) -> Floats:
        """The AUC of resamples, NaN for those without a pair.

        Args:
            times: ``(resamples, rows)``, how often each row is drawn; one drawn twice is in twice as many pairs.
        """
        won, drawn = np.zeros(times.shape[0]), np.zeros(times.shape[0])
        for band in self._bands:
            good = times[:, band.good]
            bad = np.zeros((times.shape[0], band.bad.size + 1))
            np.cumsum(times[:, band.bad], axis=1, out=bad[:, 1:])
            won += (good * (bad[:, band.below] + bad[:, band.not_above])).sum(axis=1) / 2
            drawn += good.sum(axis=1) * bad[:, -1]
        shares: Floats = np.divide(won, drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)
        return shares


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """``bad`` in the order of its scores; of those so many have a lower score than a positive row, or no higher one."""

    good: Places
    bad: Places
    below: Places
    not_above: Places


def auc(scores: Sequence[float], labels: Sequence[int], *, resamples: int = RESAMPLES, seed: int = 0) -> Auc:
    """AUC over all pairs of a positive and a negative row.

    Args:
        scores: ``(rows,)``; infinite ones are compared like others.
        labels: ``(rows,)``, 1 or 0.
        resamples: Of the bootstrap, which draws positive rows and negative rows again, each among themselves.
        seed: Of the bootstrap; the same seed gives the same interval.

    Raises:
        ValueError: Lengths differ, a score is NaN, a label is neither 0 nor 1, or one of the two labels is missing.
    """
    return _auc(ranked_pairs(scores, labels), resamples, seed)


def length_stratified_auc(
    scores: Sequence[float],
    labels: Sequence[int],
    lengths: Sequence[float],
    tolerance: float = TOLERANCE,
    floor: float = FLOOR,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Auc:
    """AUC over the pairs whose two texts have about the same length.

    Args:
        scores: ``(rows,)``; see `auc`, also for the arguments not named here.
        labels: ``(rows,)``.
        lengths: ``(rows,)``, of each text, in characters say.
        tolerance: Lengths of a pair differ by at most this share of their mean,
        floor: or by at most this much, where that is more.
        resamples: Those in which no pair is left are passed over.
        seed: See `auc`.

    Raises:
        ValueError: As `auc`; or a length, the tolerance or the floor is negative or not finite, or no pair is of about
            the same length.
    """
    return _auc(ranked_near_pairs(scores, labels, lengths, tolerance, floor), resamples, seed)


def ranked_pairs(scores: Sequence[float] | Floats, labels: Sequence[int] | Places) -> RankedPairs:
    """All pairs; arguments and errors are those of `auc`."""
    values, is_good = _checked(scores, labels)
    return RankedPairs(values, is_good, [(np.flatnonzero(is_good), np.flatnonzero(~is_good))])


def ranked_near_pairs(
    scores: Sequence[float] | Floats,
    labels: Sequence[int] | Places,
    lengths: Sequence[float] | Floats,
    tolerance: float = TOLERANCE,
    floor: float = FLOOR,
) -> RankedPairs:
    """The pairs of about the same length; arguments and errors are those of `length_stratified_auc`."""
    values, is_good = _checked(scores, labels)
    if len(lengths) != len(labels):
        raise ValueError(f"{len(lengths)} lengths of {len(labels)} rows")
    long = np.asarray(lengths, dtype=np.float64)
    limits = np.asarray([tolerance, floor], dtype=np.float64)
    if not np.isfinite(long).all() or (long < 0).any() or not np.isfinite(limits).all() or (limits < 0).any():
        raise ValueError("lengths, tolerance and floor are finite and not negative")
    bad = np.flatnonzero(~is_good)
    bands = []
    for length in np.unique(long[is_good]):
        near = np.abs(long[bad] - length) <= np.maximum(floor, tolerance * (long[bad] + length) / 2)
        bands.append((np.flatnonzero(is_good & (long == length)), bad[near]))
    pairs = RankedPairs(values, is_good, bands)
    if not pairs.pairs:
        raise ValueError("no positive row is of about the same length as a negative one")
    return pairs


def _checked(scores: Sequence[float] | Floats, labels: Sequence[int] | Places) -> tuple[Floats, Booleans]:
    """The scores, and which rows are positive."""
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores of {len(labels)} rows")
    values, marks = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if np.isnan(values).any():
        raise ValueError("a score is NaN: leave rows without a score out, and say how many")
    if not np.isin(marks, (0, 1)).all():
        raise ValueError("a label is neither 0 nor 1")
    is_good = marks == 1
    if is_good.all() or not is_good.any():
        raise ValueError(f"{int(is_good.sum())} positive and {int((~is_good).sum())} negative rows: there are no pairs")
    return values, is_good


def _auc(compared: RankedPairs, resamples: int, seed: int) -> Auc:
    if resamples < 1:
        raise ValueError("an interval needs at least one resample")
    random = np.random.default_rng(seed)
    rows = compared.is_good.size
    shares = np.empty(resamples)
    goods, bads = int(compared.is_good.sum()), int((~compared.is_good).sum())
    at_once = max(1, NUMBERS_AT_ONCE // rows)
    for begin in range(0, resamples, at_once):
        some = min(at_once, resamples - begin)
        times = np.empty((some, rows))
        times[:, compared.is_good] = random.multinomial(goods, np.full(goods, 1 / goods), size=some)
        times[:, ~compared.is_good] = random.multinomial(bads, np.full(bads, 1 / bads), size=some)
        shares[begin : begin + some] = compared.shares(times)
    shares = shares[~np.isnan(shares)]
    if not shares.size:
        raise ValueError("no resample holds a pair: too few rows take part")
    low, high = np.percentile(shares, [2.5, 97.5])
    return Auc(
        interval=Interval(compared.share, float(low), float(high)),
        pairs=compared.pairs,
        positives=compared.positives,
        negatives=compared.negatives,
    )
