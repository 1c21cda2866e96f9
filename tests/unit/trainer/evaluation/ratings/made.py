"""Texts of an evaluation, made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trainer.evaluation.policies.texts import EvaluatedText, RewardOfText


def reward(value: float | None, *, excellent: bool | None = None) -> RewardOfText:
    return RewardOfText(
        status="failed" if value is None else "scored",
        reward=value,
        verdict=None,
        probability=None,
        excellent=excellent,
        error="llm_timeout" if value is None else None,
    )


def evaluated(
    models: Sequence[str],
    prompts: int,
    samples: int = 2,
    *,
    rewards: Callable[[str, int], dict[str, RewardOfText]] = lambda model, prompt: {},
    completion: Callable[[str, int, int], str] = lambda model, prompt, number: f"{model}之{prompt}之{number}",
) -> list[EvaluatedText]:
    """Each model's samples for each prompt."""
    return [
        EvaluatedText(
            model=model,
            id=f"row-{prompt}/{number}",
            prompt_id=f"row-{prompt}",
            prompt=f"给第{prompt}位朋友的祝福",
            completion=completion(model, prompt, number),
            truncated=None,
            tokens=None,
            rewards=rewards(model, prompt),
        )
        for model in models
        for prompt in range(1, prompts + 1)
        for number in range(samples)
    ]
