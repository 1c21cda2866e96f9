"""Reading a request's body: bounded in bytes, JSON only, checked against a model of the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from shared.errors import (
    FieldProblem,
    InvalidRequest,
    MalformedRequest,
    PayloadTooLarge,
    UnsupportedMediaType,
    ZhufuError,
)
from shared.json_schema import whole_schema

Model = TypeVar("Model", bound=BaseModel)

MAX_REPORTED_FIELDS = 20
MAX_FIELD_NAME_CHARACTERS = 200


async def read_model(request: Request, model: type[Model], max_bytes: int) -> Model:
    """Read and check the body of a request.

    Raises:
        UnsupportedMediaType: It is not declared as JSON. (A page of another site can send other types unasked.)
        PayloadTooLarge: It has more than ``max_bytes``; no more than that is ever held.
        MalformedRequest: It is not JSON in UTF-8.
        InvalidRequest: It is JSON, but not what the model asks for.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType("send the body as application/json")
    return parse_model(await read_body(request, max_bytes), model)


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The description of a body that a route reads itself; whole, as it cannot point into itself from a document."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": whole_schema(model)}}}}


async def read_body(request: Request, max_bytes: int) -> bytes:
    """All bytes of the body; `shared.errors.PayloadTooLarge` as soon as there are too many."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise PayloadTooLarge(f"the body has {declared} bytes; at most {max_bytes} are accepted")
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes:
                raise PayloadTooLarge(f"the body has more than {max_bytes} bytes")
            chunks.append(chunk)
    except ClientDisconnect:  # no error of ours: nobody reads the answer
        raise MalformedRequest("the connection ended before the body did") from None
    return b"".join(chunks)


def parse_model(body: bytes, model: type[Model]) -> Model:
    """Parse JSON and check it; the errors name fields and never repeat the input."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error.errors(include_url=False, include_input=False, include_context=False)) from None


def refusal(details: Sequence[Mapping[str, Any]]) -> ZhufuError:
    """The error that says what pydantic found, at most `MAX_REPORTED_FIELDS` parts of it."""
    if details[0]["type"] == "json_invalid":
        return MalformedRequest(details[0]["msg"])
    fields = [
        FieldProblem(
            field=".".join(map(str, detail["loc"]))[:MAX_FIELD_NAME_CHARACTERS] or "body", message=detail["msg"]
        )
        for detail in details[:MAX_REPORTED_FIELDS]
    ]
    return InvalidRequest(f"{len(details)} part(s) of the request are not as the contract says", fields)
