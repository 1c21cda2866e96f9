"""What of a sample can be chosen: the options that go to the service with every prompt."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, get_args

from pydantic import JsonValue

PairBy = Literal["verdict", "quality"]
Length = Literal["prefer", "require", "ignore"]
Agent = Literal["retrieval", "positive", "negative", "judge", "reflect"]
PAIR_BY: Final[tuple[str, ...]] = get_args(PairBy)
LENGTHS: Final[tuple[str, ...]] = get_args(Length)
AGENTS: Final[tuple[str, ...]] = get_args(Agent)
MIN_CANDIDATES, MAX_CANDIDATES = 2, 16


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """Options of one sample; what is None is as the service's settings say."""

    candidates: int
    pair_by: PairBy = "verdict"
    least_margin: float | None = None
    length: Length = "prefer"
    without: tuple[Agent, ...] = ()
    temperature: float | None = None
    seed: int = 0

    def options(self) -> dict[str, JsonValue]:
        """As the service takes them."""
        given: dict[str, JsonValue] = {
            "task": "sample",
            "candidates": self.candidates,
            "pair_by": self.pair_by,
            "length": self.length,
            "seed": self.seed,
        }
        if self.least_margin is not None:
            given["least_margin"] = self.least_margin
        if self.temperature is not None:
            given["temperature"] = self.temperature
        if self.without:
            given["without"] = [*sorted(set(self.without))]
        return given
