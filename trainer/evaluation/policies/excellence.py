"""When a text counts as excellent under a reward: by its verdict, its calibrated probability, or a threshold.

A threshold that is given decides. Else the verdict does, where the reward gives one; else the component
``probability``, from a half on; a reward with none of these has means only.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from shared.errors import InvalidRequest
from shared.schemas import Score

PROBABILITY = "probability"
LEAST_PROBABILITY = 0.5

Kind = Literal["threshold", "verdict", "probability"]


@dataclasses.dataclass(frozen=True, slots=True)
class Excellence:
    """What decides under one reward. ``least`` is the bound of a threshold or of a probability."""

    kind: Kind
    least: float = 1.0

    def of(self, score: Score) -> float | None:
        """1 where the text is excellent, 0 where not, None where the score does not tell."""
        if score.reward is None:
            return None
        value: float | None
        if self.kind == "threshold":
            value = score.reward
        elif self.kind == "verdict":
            value = score.verdict
        else:
            value = score.components.get(PROBABILITY)
        return None if value is None else float(value >= self.least)

    def __str__(self) -> str:
        return "verdict 1" if self.kind == "verdict" else f"{_WORDS[self.kind]} ≥ {self.least:g}"


_WORDS = {"threshold": "reward", "probability": "calibrated probability"}


def excellence_of(scores: Iterable[Score], threshold: float | None) -> Excellence | None:
    """What decides under a reward that gave these scores; None where nothing does."""
    if threshold is not None:
        return Excellence("threshold", threshold)
    scored = [score for score in scores if score.reward is not None]
    if any(score.verdict is not None for score in scored):
        return Excellence("verdict")
    if any(PROBABILITY in score.components for score in scored):
        return Excellence("probability", LEAST_PROBABILITY)
    return None


def parse_thresholds(options: Sequence[str], rewards: Collection[str]) -> dict[str, float]:
    """Read ``NAME=X`` options.

    Raises:
        InvalidRequest: One is not of that form, names no reward, or one that stands twice.
    """
    thresholds: dict[str, float] = {}
    for option in options:
        name, _, text = option.partition("=")
        try:
            value = float(text)
        except ValueError:
            raise InvalidRequest(f"--threshold {option!r}: write NAME=NUMBER") from None
        if not math.isfinite(value):
            raise InvalidRequest(f"--threshold {option!r}: not a finite number")
        if name not in rewards:
            raise InvalidRequest(f"--threshold {name} names no --reward")
        if name in thresholds:
            raise InvalidRequest(f"--threshold {name} stands twice")
        thresholds[name] = value
    return thresholds
