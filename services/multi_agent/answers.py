"""What each agent answers: JSON of one of these models. The words before the number that they are the reason for.

Servers are asked for short answers, which bounds what a weak model writes. Not all of them keep a model to a length, so
that a longer answer is read nevertheless, up to `READ_AT_MOST` times of what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.schemas import Text

MAX_GREETING_CHARACTERS: Final = 400
MAX_WHY_CHARACTERS: Final = 40
MAX_REASON_CHARACTERS: Final = 120
MAX_POINTS: Final = 9
"""As many as there are aspects (paper, section on the reward model)."""
READ_AT_MOST: Final = 5

MeritAspect = Literal[
    "language",
    "fluency",
    "feeling",
    "creativity",
    "specificity",
    "appropriateness",
    "positivity",
    "purity",
    "other",
]
FlawAspect = Literal[
    "errors",
    "awkwardness",
    "flatness",
    "staleness",
    "mismatch",
    "generic",
    "pressure",
    "taboo",
    "other",
]

MERIT_NAMES: Final[Mapping[MeritAspect, str]] = {
    "language": "语言准确优美",
    "fluency": "行文流畅",
    "feeling": "情感真挚",
    "creativity": "有新意",
    "specificity": "贴合对象",
    "appropriateness": "得体合宜",
    "positivity": "用词积极",
    "purity": "心意纯粹",
    "other": "其他优点",
}
FLAW_NAMES: Final[Mapping[FlawAspect, str]] = {
    "errors": "错字语病",
    "awkwardness": "生硬累赘",
    "flatness": "情感平淡套路",
    "staleness": "陈旧过时",
    "mismatch": "场合、对象或逻辑不符",
    "generic": "内容空泛",
    "pressure": "施压或负面暗示",
    "taboo": "触犯忌讳",
    "other": "其他缺点",
}


def _words(limit: int, *, least: int = 0) -> Any:
    """A text of which ``limit`` characters are asked for."""
    asked: dict[str, JsonValue] = {"maxLength": limit}
    return Field(min_length=least, max_length=READ_AT_MOST * limit, json_schema_extra=asked)


def _points() -> Any:
    """A list of which `MAX_POINTS` are asked for."""
    asked: dict[str, JsonValue] = {"maxItems": MAX_POINTS}
    return Field(max_length=READ_AT_MOST * MAX_POINTS, json_schema_extra=asked)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Written(_Answer):
    """A greeting, of the generator."""

    greeting: Text = _words(MAX_GREETING_CHARACTERS, least=1)


class Merit(_Answer):
    """One merit of a greeting."""

    aspect: MeritAspect
    why: Text = _words(MAX_WHY_CHARACTERS, least=1)


class Flaw(_Answer):
    """One flaw of a greeting."""

    aspect: FlawAspect
    why: Text = _words(MAX_WHY_CHARACTERS, least=1)


class Merits(_Answer):
    """All merits that the positive agent finds; there may be none."""

    merits: list[Merit] = _points()

    @property
    def count(self) -> int:
        """Aspects with a merit: who says one thing twice has found one."""
        return len({merit.aspect for merit in self.merits})

    @property
    def points(self) -> list[tuple[str, str]]:
        """Name of the aspect and the agent's words, each merit."""
        return [(MERIT_NAMES[merit.aspect], merit.why) for merit in self.merits]


class Flaws(_Answer):
    """All flaws that the negative agent finds; there may be none."""

    flaws: list[Flaw] = _points()

    @property
    def count(self) -> int:
        """Aspects with a flaw."""
        return len({flaw.aspect for flaw in self.flaws})

    @property
    def points(self) -> list[tuple[str, str]]:
        """Name of the aspect and the agent's words, each flaw."""
        return [(FLAW_NAMES[flaw.aspect], flaw.why) for flaw in self.flaws]


class Judgement(_Answer):
    """The judge's verdict, 1 only for a greeting that is good in every respect, and what it rests on."""

    reason: Text = _words(MAX_REASON_CHARACTERS)
    verdict: int = Field(ge=0, le=1)


class Reflection(_Answer):
    """The reflect agent's final verdict, and whether the greeting has to be weighed once more."""

    reason: Text = _words(MAX_REASON_CHARACTERS)
    verdict: int = Field(ge=0, le=1)
    reevaluate: bool
