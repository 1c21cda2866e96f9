"""The figures of the paper: Wei et al., EMNLP 2025, arXiv 2508.21476. All are percentages there, shares here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

EVALUATED_ON = 2_000
"""Examples of the paper's evaluation set, half of them good."""


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluator:
    """How an evaluator fares on the evaluation set."""

    accuracy: float
    precision: float
    recall: float
    f1: float


@dataclasses.dataclass(frozen=True, slots=True)
class Excellence:
    """Share of greetings that people called excellent, by how often such a request is made."""

    high_frequency: float
    ordinary: float


MULTI_AGENT, JUDGE = "multi_agent", "judge"

EVALUATORS: Mapping[str, Evaluator] = {
    MULTI_AGENT: Evaluator(0.8760, 0.8738, 0.8790, 0.8764),
    JUDGE: Evaluator(0.8550, 0.7854, 0.9770, 0.8708),
}

ABLATIONS: Mapping[str, float] = {"positive": 0.5365, "negative": 0.5005, "judge": 0.8145, "reflect": 0.7640}
"""Accuracy of the multi-agent evaluator without one of its agents."""

WITHOUT_REFLECTION = 0.8100
"""Accuracy of the judge whose principles were learned without the reflection phase."""

EXCELLENCE: Mapping[str, Excellence | None] = {
    "base": Excellence(0.576, 0.538),
    "sft": Excellence(0.900, 0.862),
    "rm-rl": None,
    "judge-rl": Excellence(0.950, 0.924),
    "sft-rm-rl": Excellence(0.946, 0.912),
    "sft-judge-rl": Excellence(0.930, 0.902),
}
"""By row of the matrix (`trainer.reproduce.rows`); None: "did not converge"."""

OTHERS: Mapping[str, Excellence] = {
    "GPT-4o": Excellence(0.500, 0.504),
    "Ernie-4.5": Excellence(0.876, 0.830),
    "DeepSeek-V3": Excellence(0.930, 0.856),
}
"""Models that were only asked."""

DID_NOT_CONVERGE = "did not converge"
LENGTH_RULE = 0.892
"""Accuracy of "good from 43 characters on" on the paper's whole evaluation set, measured by this project."""
