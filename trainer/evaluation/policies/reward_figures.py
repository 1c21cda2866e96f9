"""What one reward says of each policy: how many texts are excellent, the mean, and the mean with length held fixed."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence

from shared.schemas import Score
from trainer.evaluation.intervals import Interval
from trainer.evaluation.policies.excellence import Excellence
from trainer.evaluation.policies.lengths import AtEqualLength, LengthsAndRewards
from trainer.evaluation.policies.prompt_means import mean_over_prompts, prompt_means, share_over_prompts
from trainer.evaluation.policies.samples import Written


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one reward gave for every sample of every policy.

    Attributes:
        reward: Its name.
        version: What answered; None where nothing was scored.
        excellence: When it calls a text excellent; None where it does not tell.
        scores: By policy, in the order of its samples.
    """

    reward: str
    version: str | None
    excellence: Excellence | None
    scores: Mapping[str, Sequence[Score]]

    def rewards(self, written: Written) -> dict[str, float]:
        """The mean reward of each prompt of a policy that has one."""
        return prompt_means(written.samples, [score.reward for score in self.scores[written.model]])

    def excellent(self, written: Written) -> dict[str, float]:
        """The share of excellent texts of each prompt of a policy; empty where the reward does not tell."""
        if self.excellence is None:
            return {}
        decided = [self.excellence.of(score) for score in self.scores[written.model]]
        return prompt_means(written.samples, decided)

    def lengths_and_rewards(self, written: Written) -> LengthsAndRewards:
        """(length, reward) of each scored text of a policy, by prompt."""
        by_prompt: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
        for sample, score in zip(written.samples, self.scores[written.model], strict=True):
            if score.reward is not None:
                by_prompt[sample.prompt_id].append((float(len(sample.completion)), score.reward))
        return by_prompt


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RewardFigures:
    """Figures of one policy under one reward. Intervals are over prompts; samples without a reward are in none.

    Attributes:
        samples: All of them.
        scored: Those that have a reward.
        undecided: Of these, those that the reward calls neither excellent nor not.
        failures: The others, by code.
        excellence: Share of excellent texts; None where the reward does not tell.
        excellence_of: The same, by slice of the prompts.
        mean: Mean reward.
        mean_of: The same, by slice of the prompts.
        at_equal_length: Mean reward if all policies wrote texts of the same lengths.
    """

    samples: int
    scored: int
    undecided: int
    failures: Mapping[str, int]
    excellence: Interval | None
    excellence_of: Mapping[str, Interval | None]
    mean: Interval | None
    mean_of: Mapping[str, Interval | None]
    at_equal_length: Interval | None

    @property
    def failed_share(self) -> float:
        """Of the samples."""
        return 1 - self.scored / self.samples


def reward_figures(
    written: Written, judged: Judged, equal: AtEqualLength, slices: Mapping[str, Sequence[str]]
) -> RewardFigures:
    """Sum up.

    Args:
        written: What the policy wrote.
        judged: What the reward gave for it.
        equal: Of `trainer.evaluation.policies.lengths.adjusted`, over all policies.
        slices: Ids of prompts, by slice.
    """
    scores = judged.scores[written.model]
    excellent, rewards = judged.excellent(written), judged.rewards(written)
    decided = [None if judged.excellence is None else judged.excellence.of(score) for score in scores]
    scored = [score.reward is not None for score in scores]
    failures = collections.Counter(score.error.code for score in scores if score.error is not None)
    return RewardFigures(
        samples=len(scores),
        scored=sum(scored),
        undecided=sum(has and value is None for has, value in zip(scored, decided, strict=True)),
        failures=dict(sorted(failures.items(), key=lambda item: (-item[1], item[0]))),
        excellence=share_over_prompts(excellent.values()),
        excellence_of={
            name: share_over_prompts([excellent[prompt] for prompt in prompts if prompt in excellent])
            for name, prompts in slices.items()
        },
        mean=mean_over_prompts(rewards.values()),
        mean_of={
            name: mean_over_prompts([rewards[prompt] for prompt in prompts if prompt in rewards])
            for name, prompts in slices.items()
        },
        at_equal_length=equal.means.get(written.model),
    )
