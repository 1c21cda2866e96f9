"""What a request can ask of the multi-agent service."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from services.multi_agent.evaluation import Grading
from services.multi_agent.pairs import LengthRule, PairBy
from services.multi_agent.task import MAX_REEVALUATIONS, PartName, decides
from shared.schemas import Contract

MIN_CANDIDATES: Final = 2
MAX_CANDIDATES: Final = 16
MAX_SEED: Final = 2**26
"""So that a seed of each candidate fits what servers take."""

TaskName = Literal["evaluate", "sample"]


def _are_distinct(parts: list[PartName]) -> list[PartName]:
    if len(set(parts)) < len(parts):
        raise ValueError("a part stands twice")
    return parts


Parts = Annotated[list[PartName], AfterValidator(_are_distinct)]


class EvaluateOptions(Contract):
    """Options of ``POST /v1/evaluate``; what is not given is as in the settings."""

    without: Parts | None = Field(
        default=None, description="Parts that are left out, to measure what they are worth; not judge and reflect both."
    )
    max_reevaluations: int | None = Field(
        default=None, strict=True, ge=0, le=MAX_REEVALUATIONS, description="Further rounds at most."
    )
    grading: Grading | None = Field(default=None, description="The reward: the verdict, or verdict and balance.")

    @model_validator(mode="after")
    def _somebody_decides(self) -> Self:
        if not decides(frozenset(self.without or ())):
            raise ValueError("without judge and reflect agent nobody gives a verdict")
        return self


class SampleOptions(EvaluateOptions):
    """Options of ``POST /v1/sample``; what is not given is as in the settings."""

    candidates: int | None = Field(
        default=None, strict=True, ge=MIN_CANDIDATES, le=MAX_CANDIDATES, description="Of a sample."
    )
    temperature: float | None = Field(
        default=None, strict=True, ge=0, le=2, description="At which candidates are written."
    )
    seed: int = Field(default=0, strict=True, ge=0, le=MAX_SEED, description="Another one gives other candidates.")
    pair_by: PairBy = Field(default="verdict", description="What makes a candidate of a sample better than another.")
    least_margin: float | None = Field(
        default=None,
        strict=True,
        ge=0,
        le=1,
        description="Of the qualities in a pair; by default 0 by verdict, 0.05 by quality.",
    )
    length: LengthRule = Field(default="prefer", description="Pairs of like length: preferred, required, no matter.")
    tolerance: float = Field(
        default=0.2, strict=True, ge=0, le=1, description="Lengths are alike within this share of the longer one."
    )


class MultiAgentOptions(SampleOptions):
    """Options of ``POST /v1/score``."""

    task: TaskName = Field(
        default="evaluate",
        description="sample: write candidates for the prompt and choose a pair; the completion is empty then.",
    )
    transcript: bool = Field(
        default=False, strict=True, description="Put every step into the details of the score; samples always do."
    )
