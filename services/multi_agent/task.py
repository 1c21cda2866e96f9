"""How one rollout shall be evaluated: the request's options over the settings."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal

from services.multi_agent.evaluation import Grading

PartName = Literal["retrieval", "positive", "negative", "judge", "reflect"]
"""What an evaluation can be done without."""

MAX_REEVALUATIONS: Final = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every evaluation of one request has in common.

    Attributes:
        without: What is left out, to measure what it is worth. Not judge and reflect agent both.
        max_reevaluations: Further rounds at most.
        grading: What the reward is.
    """

    without: frozenset[PartName] = frozenset()
    max_reevaluations: int = 1
    grading: Grading = "verdict"

    @property
    def words(self) -> str:
        """For versions: all of it in a word."""
        return "/".join([self.grading, str(self.max_reevaluations), *(f"-{part}" for part in sorted(self.without))])


def decides(without: frozenset[PartName]) -> bool:
    """Whether an agent is left that gives a verdict."""
    return not {"judge", "reflect"} <= without
