"""Everything that an evaluation of policies found, and as JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer.evaluation.policies.comparison import Comparison, compare
from trainer.evaluation.policies.copying import Copied
from trainer.evaluation.policies.lengths import adjusted
from trainer.evaluation.policies.reading import ReadingList, reading_lists
from trainer.evaluation.policies.reward_figures import Judged, RewardFigures, reward_figures
from trainer.evaluation.policies.samples import Written
from trainer.evaluation.policies.text_figures import TextFigures, text_figures

FAILED_NOTICE = 0.1
"""Where more samples than this share have no reward, the figures of the rest may mislead."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """All figures.

    Attributes:
        written: What each policy wrote, in the order in which policies were named.
        judged: What each reward gave for it.
        slices: Ids of prompts, by slice; empty where prompts are all of one.
        texts: Figures that need no reward, by policy.
        rewards: Figures by reward, then by policy.
        comparisons: Every pair of policies under every reward.
        reading: Samples that a person should read.
        training_texts: How many different texts must not be copied; None where none are known.
    """

    written: Sequence[Written]
    judged: Sequence[Judged]
    slices: Mapping[str, Sequence[str]]
    texts: Mapping[str, TextFigures]
    rewards: Mapping[str, Mapping[str, RewardFigures]]
    comparisons: Sequence[Comparison]
    reading: Sequence[ReadingList]
    training_texts: int | None

    @property
    def prompts(self) -> int:
        """For which at least one policy wrote."""
        return len({prompt for each in self.written for prompt in each.prompt_ids})

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "prompts": self.prompts,
            "slices": {name: len(prompts) for name, prompts in self.slices.items()},
            "training_texts": self.training_texts,
            "models": {name: dataclasses.asdict(figures) for name, figures in self.texts.items()},
            "rewards": {
                each.reward: {
                    "version": each.version,
                    "excellent_where": None if each.excellence is None else str(each.excellence),
                    "models": {
                        name: dataclasses.asdict(figures) for name, figures in self.rewards[each.reward].items()
                    },
                }
                for each in self.judged
            },
            "comparisons": [
                {
                    **dataclasses.asdict(each),
                    "by_length": each.by_length,
                    "rises_mostly_by_length": each.rises_mostly_by_length,
                    "hidden_by_length": each.hidden_by_length,
                }
                for each in self.comparisons
            ],
        }


def policy_result(
    written: Sequence[Written],
    judged: Sequence[Judged],
    slices: Mapping[str, Sequence[str]],
    copied: Mapping[str, Sequence[Copied]] | None,
    *,
    training_texts: int | None,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> PolicyResult:
    """Sum up what policies wrote and what rewards gave for it.

    Args:
        written: Of every policy at least one sample.
        judged: At least one reward.
        slices: Ids of prompts, by slice.
        copied: What of each sample stands in the training texts, by policy.
        training_texts: How many these are.
        seed: Of intervals, tests and draws.
        advance: Called `steps` times.
    """
    equal = {
        each.reward: adjusted({one.model: each.lengths_and_rewards(one) for one in written}, seed=seed)
        for each in judged
    }
    texts = text_figures(written, copied, seed=seed, advance=advance)
    rewards: dict[str, dict[str, RewardFigures]] = {}
    for each in judged:
        rewards[each.reward] = {}
        for one in written:
            rewards[each.reward][one.model] = reward_figures(one, each, equal[each.reward], slices)
            advance()
    return PolicyResult(
        written=written,
        judged=judged,
        slices=slices,
        texts=texts,
        rewards=rewards,
        comparisons=compare(written, judged, equal, seed=seed, advance=advance),
        reading=reading_lists(written, judged, copied),
        training_texts=training_texts,
    )


def steps(models: int, rewards: int) -> int:
    """In how many steps so much is summed up."""
    return models + rewards * (models + math.comb(models, 2))
