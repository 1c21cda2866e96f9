"""JSON schemas of models in one piece, for readers that follow no references."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from pydantic import BaseModel, JsonValue


def whole_schema(model: type[BaseModel], *, without: Set[str] = frozenset()) -> dict[str, JsonValue]:
    """A model's JSON schema with its references put in place; properties stay in their order.

    Args:
        model: Not one that contains itself.
        without: Keywords that are left out.
    """
    schema = model.model_json_schema()
    parts: Mapping[str, Any] = schema.pop("$defs", {})

    def whole(part: Any, *, names: bool = False) -> Any:
        if isinstance(part, list):
            return [whole(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return whole(parts[part["$ref"].rpartition("/")[2]])
        return {
            name: whole(each, names=name == "properties") for name, each in part.items() if names or name not in without
        }

    result: dict[str, JsonValue] = whole(schema)
    return result
