"""What a reward, or a baseline that stands in for one, gave for one text."""

from __future__ import annotations

import dataclasses
from typing import Final

from shared.schemas import Score

PROBABILITY: Final = "probability"
"""The component that says how likely a text is a good one, where a reward has it."""
EVEN: Final = 0.5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One text's outcome.

    Attributes:
        reward: None where there is none: nothing is put in its place.
        passed: Whether it calls the text a good one; None for a reward that gives no verdicts.
        failure: The code of the failure where there is no reward, else empty.
    """

    reward: float | None
    passed: bool | None = None
    failure: str = ""


def outcome_of(score: Score) -> Outcome:
    """What a service answered; without a verdict a text passes whose probability is even or better."""
    passed = None if score.verdict is None else score.verdict == 1
    if passed is None and PROBABILITY in score.components:
        passed = score.components[PROBABILITY] >= EVEN
    return Outcome(reward=score.reward, passed=passed, failure=score.error.code if score.error else "")
