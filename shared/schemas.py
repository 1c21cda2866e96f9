"""The contract of every reward: what is asked (`ScoreRequest`) and what is answered (`ScoreResponse`).

The same models travel through the HTTP door and through the queue. ``reward`` is a finite number where ``status`` is
``scored`` and null everywhere else: a failure has no reward, not a small one.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

MAX_ID_CHARACTERS = 128
MAX_ROLLOUTS_PER_REQUEST = 10_000
MAX_METADATA_ENTRIES = 32
GROUP_SIZE = "group_size"
"""Key of a rollout's metadata: how many members its group has, for rewards that compare them with each other."""


def _is_text(value: str) -> str:
    """A Python string may hold lone surrogates (``json.loads`` makes them); as UTF-8 they could not be sent on."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("lone surrogates are not text") from None
    return value


def _is_finite(value: JsonValue) -> JsonValue:
    """JSON has no NaN and no infinity; Python's parsers accept them, so they are looked for, at any depth."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError("NaN and infinity are not JSON")
        if isinstance(part, str):
            _is_text(part)
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list):
            waiting += part
    return value


class _Utf8:
    """Makes pydantic refuse lone surrogates by itself, which it does where a length is to be counted.

    As many calls of a Python function as texts would be a third of what parsing a request takes.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        if schema["type"] != "str" or "min_length" in schema:  # it has one where its field has bounds
            return schema
        return {**schema, "min_length": 0}

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        if described.get("minLength") == 0:
            del described["minLength"]
        return described


Text = Annotated[str, _Utf8()]
FiniteJson = Annotated[JsonValue, AfterValidator(_is_finite)]
Status = Literal["scored", "failed", "expired"]
Identifier = Annotated[Text, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]


class Contract(BaseModel):
    """Base of all models of the contract: unknown fields are refused, NaN and infinity too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Rollout(Contract):
    """One (prompt, completion) to be scored."""

    id: Identifier = Field(description="Chosen by the caller; unique within its request.")
    prompt: Text = Field(min_length=1, description="What the policy was asked to write.")
    completion: Text = Field(description="What the policy wrote; may be empty.")
    group: Identifier | None = Field(default=None, description="Rollouts of one prompt in one step share a group.")
    metadata: dict[Text, FiniteJson] = Field(default_factory=dict, max_length=MAX_METADATA_ENTRIES)


class ScoreRequest(Contract):
    """A batch of rollouts to be scored with one set of options."""

    rollouts: list[Rollout] = Field(min_length=1, max_length=MAX_ROLLOUTS_PER_REQUEST)
    options: dict[Text, FiniteJson] = Field(
        default_factory=dict, max_length=MAX_METADATA_ENTRIES, description="What a service takes, GET /v1/reward tells."
    )

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        if len({rollout.id for rollout in self.rollouts}) == len(self.rollouts):
            return self
        seen: set[str] = set()
        for rollout in self.rollouts:
            if rollout.id in seen:
                raise ValueError(f"rollout id {rollout.id!r} stands twice")
            seen.add(rollout.id)
        return self


class ScoreFailure(Contract):
    """Why a rollout has no reward."""

    code: Text = Field(description="A stable word for programs, such as text_too_long or deadline_expired.")
    detail: Text = Field(description="A sentence for people.")
    retryable: bool = Field(description="Whether the same rollout may be scored at another try.")


class Usage(Contract):
    """Tokens that scoring one rollout cost."""

    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class Score(Contract):
    """The typed outcome for one rollout."""

    id: Identifier
    status: Status
    reward: float | None = Field(description="Finite where status is scored, else null. Its range: GET /v1/reward.")
    verdict: Literal[0, 1] | None = None
    components: dict[Text, float] = Field(default_factory=dict)
    reason: Text | None = None
    flags: list[Text] = Field(default_factory=list)
    error: ScoreFailure | None = Field(default=None, description="Set exactly where status is not scored.")
    cached: bool = False
    version: Text = Field(description="What scored it: service, weights or principles, and their hash.")
    usage: Usage | None = None
    details: dict[Text, FiniteJson] | None = Field(
        default=None, description="What else a reward tells where the options ask for it, such as a transcript."
    )
    latency_seconds: float = Field(ge=0, description="From admission to outcome, waiting included.")

    @model_validator(mode="after")
    def _reward_only_when_scored(self) -> Self:
        if (self.status == "scored") != (self.reward is not None):
            raise ValueError("a scored rollout has a reward, and only a scored one")
        if (self.status == "scored") == (self.error is not None):
            raise ValueError("a rollout that is not scored has an error, and only such a one")
        return self


class RewardVersion(Contract):
    """Which reward answered."""

    name: str
    version: str


class ScoreResponse(Contract):
    """The scores, in the order of the rollouts that were asked for."""

    scores: list[Score]
    reward: RewardVersion


class RewardRange(Contract):
    """The range of a reward; null where it has no bound."""

    minimum: float | None
    maximum: float | None


class RewardInfo(Contract):
    """What a reward is: its name, what scores at the moment, its range, and the options that it takes."""

    name: str
    version: str
    range: RewardRange
    description: str
    options: dict[str, FiniteJson] = Field(default_factory=dict, description="JSON schema of each option.")
    streams: bool = Field(default=False, description="Whether POST /v1/evaluate tells the steps as they are done.")


class RewardBucket(Contract):
    """Rewards above one bound up to another; a bound that is null is none."""

    above: float | None
    up_to: float | None
    count: int = Field(ge=0)


class Distribution(Contract):
    """The rewards that one process has given since its start; each replica has its own."""

    since: float = Field(description="When the process started, in seconds since 1970.")
    buckets: list[RewardBucket] = Field(description="In order, without gaps.")
    statuses: dict[Status, int] = Field(description="Rollouts by what came of them.")
    verdicts: dict[Literal["0", "1"], int]
    mean: float | None = Field(description="Of all rewards; null where there is none.")


class Health(Contract):
    """The answer of /healthz and of a ready /readyz."""

    status: Literal["ok"] = "ok"
