"""The options of a request: read by a service's model of them, and described by it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from shared.documents import first_problem
from shared.errors import InvalidRequest

Options = TypeVar("Options", bound=BaseModel)


def read_options(model: type[Options], options: Mapping[str, JsonValue]) -> Options:
    """Options as they came. Raises `InvalidRequest` where they are not of the model."""
    try:
        return model.model_validate(options)
    except ValidationError as error:
        raise InvalidRequest(f"options: {first_problem(error)}") from error


@functools.cache
def options_schema(model: type[BaseModel]) -> dict[str, JsonValue]:
    """JSON schema of each option, for ``GET /v1/reward``."""
    properties: dict[str, JsonValue] = model.model_json_schema()["properties"]
    return properties
