"""What the steps measured, read from their ``result.json``; what else stands there is theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.documents import first_problem
from shared.errors import InvalidData
from trainer.evaluation.intervals import Interval


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Difference(_Part):
    """A mean difference over prompts, and the p of its test, corrected for all tests of its kind."""

    interval: Interval
    prompts: int
    holm: float


class Comparison(_Part):
    """Two policies under one reward; differences are other minus one."""

    one: str
    other: str
    reward: str
    characters: Interval
    excellence: Difference | None
    mean: Difference | None
    at_equal_length: Interval | None
    by_length: float | None
    rises_mostly_by_length: bool


class RewardFigures(_Part):
    """One policy under one reward."""

    samples: int
    scored: int
    excellence: Interval | None
    excellence_of: Mapping[str, Interval | None]
    mean: Interval | None
    at_equal_length: Interval | None


class JudgedPolicies(_Part):
    """All policies under one reward."""

    version: str | None
    excellent_where: str | None
    models: Mapping[str, RewardFigures]


class Copying(_Part):
    """The share of texts that stand in the training texts, in one way or another."""

    any: Interval


class TextFigures(_Part):
    """What needs no reward."""

    characters: Interval
    truncated: Interval | None
    distinct: tuple[float, float]
    alike_across_prompts: Interval | None
    copying: Copying | None


class PoliciesResult(_Part):
    """Of ``zhufu evaluate policy``."""

    prompts: int
    slices: Mapping[str, int]
    models: Mapping[str, TextFigures]
    rewards: Mapping[str, JudgedPolicies]
    comparisons: tuple[Comparison, ...]

    def comparison(self, one: str, other: str, reward: str) -> Comparison | None:
        """Two policies under a reward; None where they were not compared."""
        return next((c for c in self.comparisons if (c.one, c.other, c.reward) == (one, other, reward)), None)


class Column(_Part):
    """A reward or a baseline."""

    kind: str
    decided_by: str
    figures: Mapping[str, Interval | None]


class Finding(_Part):
    """A sentence that must not be overlooked."""

    text: str
    tone: str


class Rows(_Part):
    """How many labelled greetings were compared."""

    compared: int


class RewardsResult(_Part):
    """Of ``zhufu evaluate rewards``."""

    rows: Rows
    columns: Mapping[str, Column]
    findings: tuple[Finding, ...]


class AuditFinding(_Part):
    """What an audit found, and how much of it is allowed."""

    source: str
    sentence: str
    severity: str


class AuditResult(_Part):
    """Of ``zhufu data audit``."""

    passes: bool
    findings: tuple[AuditFinding, ...]


class SplitPart(_Part):
    """How many rows a part has."""

    rows: int


class SplitResult(_Part):
    """Of ``zhufu data split``: what is left, and what was left out for which reason."""

    parts: Mapping[str, SplitPart]
    left_out: Mapping[str, int]


Result = TypeVar("Result", bound=BaseModel)


def read_result(path: Path, kind: type[Result]) -> Result:
    """Read one.

    Raises:
        InvalidData: It is not there, or not of this kind.
    """
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidData(path, f"cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise InvalidData(path, f"is not what was expected: {first_problem(error)}") from None
