"""Every error answer is a problem document; this is the only place where one is rendered."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from shared.errors import PROBLEM_MEDIA_TYPE, Overloaded, Problem, Unauthorized, ZhufuError, problem_of
from shared.http.body import refusal
from shared.http.request_id import HEADER, request_id_of

log = structlog.get_logger(__name__)

RETRY_AFTER_NOT_READY_SECONDS = 1


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """A problem document as an HTTP answer."""
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, status_code=problem.status, media_type=PROBLEM_MEDIA_TYPE, headers=headers)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The declarations of error answers for a route's OpenAPI entry."""
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {PROBLEM_MEDIA_TYPE: reference}}
        for status in statuses
    }


def add_problem_handlers(app: FastAPI) -> None:
    """Render every error that reaches the application as ``application/problem+json``."""
    app.add_exception_handler(ZhufuError, _on_zhufu_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_unexpected_error)


async def _on_zhufu_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ZhufuError):
        raise error
    headers: dict[str, str] = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds)))
    elif error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_NOT_READY_SECONDS)
    elif isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return problem_response(problem_of(error, request_id_of(request.scope)), headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    """FastAPI refused a parameter that it parses itself, on a route that a service added."""
    if not isinstance(error, RequestValidationError):
        raise error
    return await _on_zhufu_error(request, refusal(error.errors()))


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    problem = Problem(
        title=status.phrase,
        status=status.value,
        code=status.phrase.lower().replace(" ", "_"),
        request_id=request_id_of(request.scope),
    )
    return problem_response(problem, dict(error.headers or {}))


async def _on_unexpected_error(request: Request, error: Exception) -> Response:
    request_id = request_id_of(request.scope)
    log.error("unexpected_error", path=request.url.path, request_id=request_id, exc_info=error)
    problem = Problem(
        title=HTTPStatus.INTERNAL_SERVER_ERROR.phrase,
        status=500,
        code="internal_error",
        detail="an unexpected error; the log of the service has it under this request id",
        request_id=request_id,
    )
    # This answer does not pass the middleware that adds the id, and the server closes the connection behind it.
    return problem_response(problem, {HEADER: request_id, "Connection": "close"})
