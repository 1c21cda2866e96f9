"""Reading a request's body: bounded in bytes, JSON only, checked against a model of the contract."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from shared.errors import FieldProblem, InvalidRequest, MalformedRequest, PayloadTooLarge, UnsupportedMediaType

Model = TypeVar("Model", bound=BaseModel)

MAX_REPORTED_FIELDS = 20


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


async def read_body(request: Request, max_bytes: int) -> bytes:
    """All bytes of the body; `shared.errors.PayloadTooLarge` as soon as there are too many."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise PayloadTooLarge(f"the body has {declared} bytes; at most {max_bytes} are accepted")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise PayloadTooLarge(f"the body has more than {max_bytes} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def parse_model(body: bytes, model: type[Model]) -> Model:
    """Parse JSON and check it; the errors name fields and never repeat the input."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
    if details[0]["type"] == "json_invalid":
        raise MalformedRequest(details[0]["msg"])
    fields = [
        FieldProblem(field=".".join(map(str, detail["loc"])) or "body", message=detail["msg"])
        for detail in details[:MAX_REPORTED_FIELDS]
    ]
    raise InvalidRequest(f"{len(details)} part(s) of the request are not as the contract says", fields)
