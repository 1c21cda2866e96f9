"""Request ids: taken from ``X-Request-ID`` or made, bound to the log, echoed in the answer."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_SCOPE_KEY = "zhufu_request_id"
_QUIET_PATHS = ("/healthz", "/readyz", "/metrics", "/v1/distribution")
"""What is asked for every few seconds, also through the page's relay, is logged at debug level only."""


def request_id_of(scope: Scope) -> str:
    """The id of the request that a scope belongs to."""
    return str(scope.get(_SCOPE_KEY, ""))


def new_request_id() -> str:
    """A fresh id."""
    return uuid.uuid4().hex


class RequestIdMiddleware:
    """Gives every request its id and one line in the log. An id that could break a log line is replaced."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
        request_id = given if _ACCEPTED.fullmatch(given) else new_request_id()
        scope[_SCOPE_KEY] = request_id
        begun = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                write = log.debug if scope["path"].endswith(_QUIET_PATHS) else log.info
                seconds = round(time.perf_counter() - begun, 6)
                write("request", method=scope["method"], path=scope["path"], status=status, seconds=seconds)
