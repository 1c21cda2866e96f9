"""API keys: several at once, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from fastapi import Request
from fastapi.security import HTTPBearer
from pydantic import SecretStr

from shared.errors import Unauthorized

bearer_scheme = HTTPBearer(
    auto_error=False,
    description="Authorization: Bearer <key>; X-API-Key: <key> works too, and so does a URL's password.",
)
"""Declares the scheme in OpenAPI; the check itself is `ApiKeys`."""


class ApiKeys:
    """The keys that a service accepts. Without any, every request is accepted (loopback only; see ServiceSettings)."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._keys = [key.get_secret_value().encode() for key in keys]

    def check(self, request: Request) -> None:
        """Raise `shared.errors.Unauthorized` unless the request carries one of the keys."""
        if not self._keys:
            return
        given = _given(request)
        matches = [hmac.compare_digest(given.encode(), key) for key in self._keys]  # every key, whichever matches
        if not any(matches):
            raise Unauthorized("an API key is needed: Authorization: Bearer <key>")


def _given(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return token.strip()
        case "basic":
            return _password(token.strip())
        case _:
            return request.headers.get("x-api-key", "")


def _password(token: str) -> str:
    """Of a URL's ``user:password@``: some trainers can be told a URL and nothing else."""
    try:
        return base64.b64decode(token, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
