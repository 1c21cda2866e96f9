"""Any two policies on the prompts that both wrote for: differences with intervals, and what of them length explains."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence

from trainer.evaluation.intervals import Interval, bootstrap_mean
from trainer.evaluation.paired import holm, sign_flip_test
from trainer.evaluation.policies.lengths import AtEqualLength, Matched, matched
from trainer.evaluation.policies.prompt_means import prompt_means
from trainer.evaluation.policies.reward_figures import Judged
from trainer.evaluation.policies.samples import Written

MOSTLY = 0.5
"""So much of a rise that goes with length makes it mostly one of length."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Other minus one, paired by prompt; ``p`` two-sided, ``holm`` the same corrected for all pairs and rewards."""

    interval: Interval
    prompts: int
    p: float
    holm: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two policies under one reward.

    Attributes:
        one: The earlier of the two, in the order in which they were named.
        other: The later one; differences are its minus the earlier one's.
        reward: By which.
        characters: Difference in length.
        excellence: Difference of the shares of excellent texts; None where the reward does not tell.
        mean: Difference of mean rewards; None where no prompt has both.
        at_equal_length: What is left of it if both wrote texts of the same lengths.
        matched: What is left of it among pairs of texts of about equal length.
    """

    one: str
    other: str
    reward: str
    characters: Interval
    excellence: Difference | None
    mean: Difference | None
    at_equal_length: Interval | None
    matched: Matched

    @property
    def by_length(self) -> float | None:
        """The share of the difference in mean reward that goes with length; None where there is no such difference."""
        if self.mean is None or self.at_equal_length is None or not self.mean.interval.excludes_zero:
            return None
        return 1 - self.at_equal_length.mean / self.mean.interval.mean

    @property
    def rises_mostly_by_length(self) -> bool:
        """Whether other is rewarded more than one mostly because its texts have another length."""
        share = self.by_length
        if self.mean is None or share is None or not self.characters.excludes_zero:
            return False
        return self.mean.interval.mean > 0 and share >= MOSTLY

    @property
    def hidden_by_length(self) -> bool:
        """Whether one of the two is better at equal length, and the plain means do not show it."""
        if self.mean is None or self.at_equal_length is None or not self.characters.excludes_zero:
            return False
        plain, equal = self.mean.interval, self.at_equal_length
        return equal.excludes_zero and not (plain.excludes_zero and plain.mean * equal.mean > 0)


def compare(
    written: Sequence[Written],
    judged: Sequence[Judged],
    equal: Mapping[str, AtEqualLength],
    *,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> list[Comparison]:
    """Every pair of policies with common prompts, under every reward.

    Args:
        written: In the order in which pairs are to be read.
        judged: All rewards.
        equal: Means at equal length, by reward.
        seed: Of intervals and tests.
        advance: Called when a pair is compared under a reward.
    """
    found: list[Comparison] = []
    for (one, other), each in itertools.product(itertools.combinations(written, 2), judged):
        advance()
        lengths = _gaps(_characters(one), _characters(other))
        if not lengths:
            continue
        found.append(
            Comparison(
                one=one.model,
                other=other.model,
                reward=each.reward,
                characters=bootstrap_mean(lengths, seed=seed),
                excellence=difference(each.excellent(one), each.excellent(other), seed=seed),
                mean=difference(each.rewards(one), each.rewards(other), seed=seed),
                at_equal_length=equal[each.reward].differences.get((one.model, other.model)),
                matched=matched(each.lengths_and_rewards(one), each.lengths_and_rewards(other), seed=seed),
            )
        )
    excellence = corrected([each.excellence for each in found])
    means = corrected([each.mean for each in found])
    return [
        dataclasses.replace(each, excellence=by_excellence, mean=by_mean)
        for each, by_excellence, by_mean in zip(found, excellence, means, strict=True)
    ]


def difference(one: Mapping[str, float], other: Mapping[str, float], *, seed: int = 0) -> Difference | None:
    """Of one value a prompt, over the prompts that have both; None where there are none."""
    gaps = _gaps(one, other)
    if not gaps:
        return None
    return Difference(interval=bootstrap_mean(gaps, seed=seed), prompts=len(gaps), p=sign_flip_test(gaps, seed=seed))


def corrected(differences: Sequence[Difference | None]) -> list[Difference | None]:
    """The same, corrected for as many tests as there are."""
    raised = holm({place: each.p for place, each in enumerate(differences) if each is not None})
    return [
        None if each is None else dataclasses.replace(each, holm=raised[place])
        for place, each in enumerate(differences)
    ]


def _gaps(one: Mapping[str, float], other: Mapping[str, float]) -> list[float]:
    return [other[prompt] - one[prompt] for prompt in one if prompt in other]


def _characters(written: Written) -> dict[str, float]:
    return prompt_means(written.samples, [float(len(sample.completion)) for sample in written.samples])
