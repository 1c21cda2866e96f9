"""The document of a sample: everything that is needed to audit a preference pair, or why there is none.

It holds no times and no costs of its own run: on cached answers it is the same in every replay.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from services.multi_agent.pairs import LengthRule, NoPairReason, PairBy
from shared.schemas import Contract, FiniteJson, ScoreFailure, Text


class SampledPair(Contract):
    """The preference pair."""

    chosen: Text
    rejected: Text
    chosen_index: int
    rejected_index: int
    margin: float = Field(description="Of their qualities.")
    length_ratio: float = Field(description="Characters of the chosen one over those of the rejected one.")
    length_matched: bool


class SampledRule(Contract):
    """The rule by which the pair was chosen."""

    by: PairBy
    least_margin: float
    length: LengthRule
    tolerance: float


class SampledCandidate(Contract):
    """One candidate and its evaluation, or its failure."""

    index: int
    text: Text | None = Field(description="Null where the generator failed.")
    status: Literal["scored", "failed"]
    error: ScoreFailure | None
    verdict: Literal[0, 1] | None
    quality: float | None
    reward: float | None
    reason: Text | None
    flags: list[str]
    usable: bool = Field(description="Whether a pair could be made of it.")
    transcript: list[FiniteJson]


class SampledExample(Contract):
    """A greeting from the corpus that the agents were shown."""

    prompt: Text
    completion: Text
    engagement: float
    similarity: float


class Sample(Contract):
    """The candidates of one prompt, and the preference pair that was chosen from them."""

    prompt: Text
    pair: SampledPair | None
    no_pair: NoPairReason | None = Field(description="Why there is no pair.")
    rule: SampledRule
    candidates: list[SampledCandidate]
    retrieved: list[SampledExample] | None = Field(description="Null where no examples were looked for.")
    versions: dict[str, str] = Field(description="Prompts, models and index that made it.")

    def to_json(self) -> dict[str, JsonValue]:
        """For the details of a score."""
        document: dict[str, JsonValue] = self.model_dump(mode="json")
        return document
