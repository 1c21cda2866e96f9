"""The paper's rubric: five dimensions of 1 to 3 points with weights that add up to 1."""

from __future__ import annotations

import math
from typing import Annotated, Final

from pydantic import Field

from shared.schemas import Contract

LOWEST, HIGHEST = 1, 3
ACCEPTABLE = 2.0
"""A greeting is acceptable where the weighted mean is at least this."""

Points = Annotated[int, Field(ge=LOWEST, le=HIGHEST, strict=True)]


class Rubric(Contract):
    """Points of one greeting."""

    language: Points = Field(description="语言：通顺、准确、优美")
    creativity: Points = Field(description="创意：新鲜、有巧思")
    emotion: Points = Field(description="情感：真挚、有共鸣")
    culture: Points = Field(description="文化：合乎习俗、关系与场合")
    richness: Points = Field(description="内容：具体、充实而不啰嗦")

    @property
    def weighted_mean(self) -> float:
        """From 1 to 3."""
        return math.fsum(weight * int(getattr(self, name)) for name, weight in WEIGHTS.items())


WEIGHTS: Final = {"language": 0.30, "creativity": 0.30, "emotion": 0.15, "culture": 0.15, "richness": 0.10}
"""Wei et al., EMNLP 2025."""
