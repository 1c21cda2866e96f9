"""Means over prompts, each of which counts alike: samples for one prompt are not independent of each other."""

from __future__ import annotations

import collections
import statistics
from collections.abc import Collection, Sequence

from trainer.evaluation.intervals import Interval, bootstrap_mean, share
from trainer.evaluation.policies.samples import PolicySample


def prompt_means(samples: Sequence[PolicySample], values: Sequence[float | None]) -> dict[str, float]:
    """For each prompt the mean over its samples that have a value; prompts without any are left out."""
    by_prompt: dict[str, list[float]] = collections.defaultdict(list)
    for sample, value in zip(samples, values, strict=True):
        if value is not None:
            by_prompt[sample.prompt_id].append(value)
    return {prompt: statistics.fmean(some) for prompt, some in by_prompt.items()}


def mean_over_prompts(means: Collection[float]) -> Interval | None:
    """The mean of one value a prompt; None where there are no prompts."""
    return bootstrap_mean(list(means)) if means else None


def share_over_prompts(shares: Collection[float]) -> Interval | None:
    """The mean of one share a prompt; None where there are no prompts.

    Where all shares are 0, or all 1, a bootstrap knows no other outcome and would be sure of it: then the interval is
    Wilson's, with prompts for cases.
    """
    if not shares:
        return None
    if all(one == 0.0 for one in shares) or all(one == 1.0 for one in shares):
        return share(round(sum(shares)), len(shares))
    return bootstrap_mean(list(shares))
