"""Texts of an evaluation and sheets of raters, made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trainer.evaluation.policies.texts import EvaluatedText, RewardOfText
from trainer.evaluation.ratings.filled import FilledSheet
from trainer.evaluation.ratings.key import Key, KeyItem, KeyOrigin
from trainer.evaluation.ratings.rubric import DIMENSIONS


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


def key_of(texts: Sequence[EvaluatedText]) -> Key:
    """A key by which every text is an item, named for its model and prompt."""
    return Key(
        samples="nowhere",
        models=list(dict.fromkeys(text.model for text in texts)),
        seed=0,
        sheets={},
        items={
            f"{text.model}-{text.prompt_id}": KeyItem(
                prompt_id=text.prompt_id,
                prompt=text.prompt,
                text=text.completion,
                origins=[KeyOrigin(model=text.model, sample=text.id)],
            )
            for text in texts
        },
    )


def filled(rater: str, points: Mapping[str, Sequence[int | None] | int]) -> FilledSheet:
    """A sheet: for each item its five points, None for one that is missing, or one number for all of them."""
    names = [dimension.name for dimension in DIMENSIONS]

    def given(values: Sequence[int | None] | int) -> dict[str, int]:
        five = [values] * 5 if isinstance(values, int) else values
        return {name: value for name, value in zip(names, five, strict=True) if value is not None}

    return FilledSheet(
        rater=rater,
        points={item: made for item, values in points.items() if (made := given(values))},
        comments={},
        items=len(points),
    )
