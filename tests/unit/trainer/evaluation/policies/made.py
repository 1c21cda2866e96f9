"""Samples, made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.schemas import Score, ScoreFailure
from trainer.evaluation.policies.samples import PolicySample, Written, sample_id


def sample(prompt: int, number: int, completion: str, *, truncated: bool | None = False) -> PolicySample:
    return PolicySample(
        id=sample_id(f"row-{prompt}", number),
        prompt_id=f"row-{prompt}",
        prompt=f"给第{prompt}位朋友的祝福",
        completion=completion,
        truncated=truncated,
        tokens=len(completion),
    )


def written(model: str, completions: Sequence[Sequence[str]]) -> Written:
    """What a model wrote: for each prompt its completions."""
    return Written(
        model,
        tuple(
            sample(prompt, number, completion)
            for prompt, some in enumerate(completions, start=1)
            for number, completion in enumerate(some)
        ),
    )


def scored(
    reward: float, *, verdict: bool | None = None, components: Mapping[str, float] | None = None, version: str = "rm@1"
) -> Score:
    return Score(
        id="1",
        status="scored",
        reward=reward,
        verdict=None if verdict is None else 1 if verdict else 0,
        components=dict(components or {}),
        version=version,
        latency_seconds=0.0,
    )


def failed(code: str = "llm_timeout") -> Score:
    return Score(
        id="1",
        status="failed",
        reward=None,
        error=ScoreFailure(code=code, detail="a failure", retryable=False),
        version="rm@1",
        latency_seconds=0.0,
    )
