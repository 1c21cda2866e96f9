"""Two policies compared on the same prompts, and what a report shows of that."""

from __future__ import annotations

import pytest

from shared.schemas import Score, ScoreFailure
from trainer.evaluation.policy import PolicyFigures, Sample, improvement
from trainer.report.policy import sample_pairs, training_curves

PROMPTS = ["贺新居", "贺新婚", "贺乔迁"]


def figures(name: str, rewards: list[float | None]) -> PolicyFigures:
    """One sample a prompt."""
    return PolicyFigures(
        samples=[Sample(prompt=prompt, completion=f"{name}{prompt}", truncated=False, tokens=5) for prompt in PROMPTS],
        scores=[
            Score(
                id=str(row),
                status="failed" if reward is None else "scored",
                reward=reward,
                error=ScoreFailure(code="refused", detail="refused", retryable=False) if reward is None else None,
                version="v",
                latency_seconds=0,
            )
            for row, reward in enumerate(rewards)
        ],
        rewards={prompt: reward for prompt, reward in zip(PROMPTS, rewards, strict=True) if reward is not None},
        characters=5.0,
        truncated_share=0.0,
        distinct_2=1.0,
        unscored=rewards.count(None),
    )


def test_only_prompts_with_a_reward_in_both_are_compared() -> None:
    compared = improvement(figures("前", [0.25, None, 0.5]), figures("后", [0.75, 9.0, None]))
    assert (compared.before.mean, compared.after.mean, compared.difference.mean) == (0.25, 0.75, 0.5)


def test_a_gain_that_every_prompt_has_is_certain_however_prompts_differ() -> None:
    compared = improvement(figures("前", [0.0, 1.0, 2.0]), figures("后", [0.5, 1.5, 2.5]))
    assert (compared.difference.low, compared.difference.high) == (0.5, 0.5)
    assert compared.before.high - compared.before.low > 1


def test_policies_without_a_common_prompt_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="no values"):
        improvement(figures("前", [0.5, None, None]), figures("后", [None, 0.5, None]))


def test_pairs_hold_both_samples_of_a_row_with_their_rewards() -> None:
    pairs = sample_pairs(figures("前", [0.25, None, 0.5]), figures("后", [0.75, 9.0, None]), [1, 2])
    assert [(pair.prompt, pair.before, pair.before_reward, pair.after, pair.after_reward) for pair in pairs] == [
        ("贺新婚", "前贺新婚", None, "后贺新婚", 9.0),
        ("贺乔迁", "前贺乔迁", 0.5, "后贺乔迁", None),
    ]


def test_only_curves_with_figures_are_drawn() -> None:
    assert set(training_curves([])) == {None}
    drawn = training_curves([{"step": 1.0, "kl": 0.1}, {"step": 2.0, "kl": 0.2, "policy/characters": 40.0}])
    assert sum(picture is not None for picture in drawn) == 2
