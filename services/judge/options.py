"""What a request can ask of the judge."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from pydantic import Field, JsonValue, ValidationError

from services.judge.comparison import MAX_MEMBERS, MIN_MEMBERS
from services.judge.modes import ModeName
from services.judge.settings import MAX_SAMPLES
from shared.documents import first_problem
from shared.errors import InvalidRequest
from shared.schemas import Contract


class JudgeOptions(Contract):
    """Options of ``POST /v1/score``; what is not given is as in the settings."""

    mode: ModeName | None = None
    principles: str | None = Field(default=None, max_length=128, description="Id or version of known principles.")
    samples: int | None = Field(default=None, ge=1, le=MAX_SAMPLES)
    group_size: int | None = Field(
        default=None, ge=MIN_MEMBERS, le=MAX_MEMBERS, description="Members of each group, in group mode."
    )


def read_options(options: Mapping[str, JsonValue]) -> JudgeOptions:
    """Options as they came. Raises `InvalidRequest` where they are not of the schema."""
    try:
        return JudgeOptions.model_validate(options)
    except ValidationError as error:
        raise InvalidRequest(f"options: {first_problem(error)}") from error


@functools.cache
def options_schema() -> dict[str, JsonValue]:
    """JSON schema of each option, for ``GET /v1/reward``."""
    properties: dict[str, JsonValue] = JudgeOptions.model_json_schema()["properties"]
    return properties
