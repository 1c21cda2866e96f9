"""What is left of a policy's reward when length is held fixed.

Two ways, which fail differently:

- *adjusted*: how the reward goes with length is fitted among texts of the same policy (least squares, a natural cubic
  spline), and each policy's mean is moved to where it would be if all wrote texts of the same lengths. It uses every
  text, and trusts the curve.
- *matched*: two policies are compared on those pairs of their texts, for the same prompt, that are about equally long.
  It trusts nothing, and says nothing where such pairs are rare.

The curve is fitted within policies because between them quality differs, too: a better policy that happens to write
more must not have its quality called length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from trainer.evaluation.auc import FLOOR, TOLERANCE
from trainer.evaluation.intervals import Interval, bootstrap_mean

RESAMPLES = 2_000
KNOTS = (5, 27.5, 50, 72.5, 95)
"""Percentiles of all lengths at which the spline bends: many enough for rewards that rise with length and then fall."""
ENDS = (1, 99)
"""Percentiles of all lengths; to the curve no text is shorter or longer: one of a thousand characters bends nothing."""
LEAST_PROMPTS = 5
"""Matched pairs on fewer prompts say nothing."""

Floats = npt.NDArray[np.float64]
LengthsAndRewards = Mapping[str, Sequence[tuple[float, float]]]
"""(length, reward) of each scored text of one policy, by prompt."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AtEqualLength:
    """Mean rewards with length held fixed, and how they differ: (one, other) is other minus one, on common prompts."""

    means: Mapping[str, Interval]
    differences: Mapping[tuple[str, str], Interval]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Other minus one, over pairs of texts of about equal length; ``prompts`` is how many have such a pair."""

    difference: Interval | None
    prompts: int


def adjusted(observed: Mapping[str, LengthsAndRewards], *, seed: int = 0) -> AtEqualLength:
    """Mean rewards of policies, moved to the lengths that all of them write on average.

    Intervals are of a bootstrap over prompts in which the curve is fitted anew each time. Prompts count alike, however
    many of their texts have a reward. A policy without any is left out.

    Args:
        observed: By policy.
        seed: Of the bootstrap; the same seed gives the same intervals.
    """
    names = [name for name, texts in observed.items() if any(texts.values())]
    prompts = sorted({prompt for name in names for prompt, texts in observed[name].items() if texts})
    if not names:
        return AtEqualLength(means={}, differences={})
    basis = _Basis([length for name in names for texts in observed[name].values() for length, _ in texts])
    moments = [_Moments.of(observed[name], prompts, basis) for name in names]
    draws = np.random.default_rng(seed).multinomial(len(prompts), np.full(len(prompts), 1 / len(prompts)), RESAMPLES)
    weights = np.concatenate([np.ones((1, len(prompts))), draws.astype(np.float64)])  # the first is what was observed
    slopes = _slopes(moments, weights)
    together = np.mean([moment.features[moment.present].mean(axis=0) for moment in moments], axis=0)
    means = {
        name: _interval(moment.mean(weights * moment.present, slopes, together))
        for name, moment in zip(names, moments, strict=True)
    }
    differences = {}
    for place, (one, first) in enumerate(zip(names, moments, strict=True)):
        for other, second in zip(names[place + 1 :], moments[place + 1 :], strict=True):
            common = weights * (first.present & second.present)
            if common[0].any():
                later, earlier = (moment.mean(common, slopes, together) for moment in (second, first))
                differences[(one, other)] = _interval(later - earlier)
    return AtEqualLength(means=means, differences=differences)


def matched(one: LengthsAndRewards, other: LengthsAndRewards, *, seed: int = 0) -> Matched:
    """Compare two policies on pairs of texts for the same prompt that are about equally long."""
    gaps = []
    for prompt in sorted(one.keys() & other.keys()):
        first, second = np.asarray(one[prompt], dtype=np.float64), np.asarray(other[prompt], dtype=np.float64)
        if not (first.size and second.size):
            continue
        lengths, others = first[:, 0][:, None], second[:, 0][None, :]
        alike = np.abs(lengths - others) <= np.maximum(FLOOR, TOLERANCE * (lengths + others) / 2)
        if alike.any():
            gaps.append(float((second[:, 1][None, :] - first[:, 1][:, None])[alike].mean()))
    enough = len(gaps) >= LEAST_PROMPTS
    return Matched(difference=bootstrap_mean(gaps, seed=seed) if enough else None, prompts=len(gaps))


class _Basis:
    """Length as features of a natural cubic spline; a straight line where lengths hardly differ.

    Source: Harrell, Regression Modeling Strategies, 2.4.5.
    """

    def __init__(self, lengths: Sequence[float]) -> None:
        self._ends = np.percentile(lengths, ENDS)
        within = np.clip(np.asarray(lengths, dtype=np.float64), *self._ends)
        self._middle, self._spread = within.mean(), within.std() or 1.0
        knots = np.unique(np.percentile(within, KNOTS))
        self._knots = (knots - self._middle) / self._spread if knots.size >= 3 else np.zeros(0)

    def features(self, lengths: Sequence[float]) -> Floats:
        """``(texts, 1)`` without knots, else ``(texts, knots - 1)``."""
        within = np.clip(np.asarray(lengths, dtype=np.float64), *self._ends)
        scaled: Floats = (within - self._middle) / self._spread
        columns = [scaled]
        if self._knots.size:
            *inner, before, last = self._knots
            for knot in inner:
                share = (last - knot) / (last - before)
                bent = _cubed(scaled - knot) - share * _cubed(scaled - before) + (share - 1) * _cubed(scaled - last)
                columns.append(bent / (last - self._knots[0]) ** 2)
        return np.stack(columns, axis=1)


def _cubed(above: Floats) -> Floats:
    """Of what is above 0."""
    result: Floats = np.maximum(above, 0.0) ** 3
    return result


@dataclasses.dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over the texts of one policy, for each prompt: whatever is fitted to resampled prompts follows from these.

    ``present``: ``(prompts,)``. ``features``, ``rewards``: means of a prompt's texts. ``count`` and the others: sums.
    """

    present: npt.NDArray[np.bool_]
    features: Floats
    rewards: Floats
    count: Floats
    outer: Floats
    product: Floats

    @classmethod
    def of(cls, texts: LengthsAndRewards, prompts: Sequence[str], basis: _Basis) -> _Moments:
        size = basis.features([0.0]).shape[1]
        moments = cls(
            np.zeros(len(prompts), dtype=np.bool_),
            np.zeros((len(prompts), size)),
            np.zeros(len(prompts)),
            np.zeros(len(prompts)),
            np.zeros((len(prompts), size, size)),
            np.zeros((len(prompts), size)),
        )
        for place, prompt in enumerate(prompts):
            pairs = texts.get(prompt)
            if not pairs:
                continue
            features = basis.features([length for length, _ in pairs])
            rewards = np.asarray([reward for _, reward in pairs], dtype=np.float64)
            moments.present[place] = True
            moments.count[place] = len(pairs)
            moments.features[place] = features.mean(axis=0)
            moments.rewards[place] = rewards.mean()
            moments.outer[place] = features.T @ features
            moments.product[place] = features.T @ rewards
        return moments

    def mean(self, weights: Floats, slopes: Floats, together: Floats) -> Floats:
        """``(resamples,)``: the mean reward over prompts, moved along the curve; NaN where no prompt was drawn."""
        total = weights.sum(axis=1)
        share = weights / np.where(total > 0, total, np.nan)[:, None]
        moved: Floats = share @ self.rewards - ((share @ self.features - together) * slopes).sum(axis=1)
        return moved


def _slopes(moments: Sequence[_Moments], weights: Floats) -> Floats:
    """``(resamples, features)``: least squares within policies, over all of them together."""
    squares: Floats = np.zeros((weights.shape[0], *moments[0].outer.shape[1:]))
    products: Floats = np.zeros((weights.shape[0], moments[0].product.shape[1]))
    for moment in moments:
        count = weights @ moment.count
        texts = np.where(count > 0, count, 1.0)
        features = weights @ (moment.features * moment.count[:, None])
        rewards = weights @ (moment.rewards * moment.count)
        outer = (weights @ moment.outer.reshape(weights.shape[1], -1)).reshape(squares.shape)
        squares += outer - features[:, :, None] * features[:, None, :] / texts[:, None, None]
        products += weights @ moment.product - features * (rewards / texts)[:, None]
    slopes: Floats = (np.linalg.pinv(squares, rcond=1e-9, hermitian=True) @ products[:, :, None])[:, :, 0]
    return slopes


def _interval(values: Floats) -> Interval:
    """Of what was observed, which stands first, and its resamples."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return Interval(float(values[0]), float(low), float(high))
