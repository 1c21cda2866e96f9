"""Outcomes and scores as a service gives them."""

from __future__ import annotations

from typing import Any

from shared.schemas import Score, ScoreFailure, Usage
from trainer.sampling.outcome import Outcome

USAGE = Usage(prompt_tokens=30, completion_tokens=12)
HEADER: dict[str, Any] = {
    "format": 1,
    "options": {"task": "sample", "candidates": 4},
    "prompts": {"count": 3, "sha256": "ab"},
}


def sample(chosen: str = "愿您安康，福寿绵长。", rejected: str = "祝好。", **changes: Any) -> dict[str, Any]:
    """A document with a pair."""
    pair = {
        "chosen": chosen,
        "rejected": rejected,
        "chosen_index": 2,
        "rejected_index": 0,
        "margin": 0.5,
        "length_ratio": 0.3,
        "length_matched": False,
    }
    return {"prompt": "给外婆", "pair": pair, "no_pair": None, "candidates": [], **changes}


def without_pair(reason: str = "all_good") -> dict[str, Any]:
    """A document without one."""
    return sample(pair=None, no_pair=reason)


def sampled(document: dict[str, Any] | None = None, usage: Usage | None = USAGE) -> Outcome:
    return Outcome(sample=document or sample(), usage=usage, version="multi_agent@1")


def failed(code: str = "judge_llm_timeout", *, retryable: bool = True, usage: Usage | None = None) -> Outcome:
    return Outcome(failure=ScoreFailure(code=code, detail="no", retryable=retryable), usage=usage)


def score(details: dict[str, Any] | None = None, failure: ScoreFailure | None = None, rollout: str = "row-1") -> Score:
    return Score(
        id=rollout,
        status="scored" if failure is None else "failed",
        reward=1.0 if failure is None else None,
        error=failure,
        version="multi_agent@1",
        usage=USAGE,
        details=details,
        latency_seconds=0.0,
    )
