"""API keys: several at once, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from fastapi import Request
from fastapi.security import HTTPBearer
from pydantic import SecretStr

from shared.errors import Unauthorized

bearer_scheme = HTTPBearer(auto_error=False, description="Authorization: Bearer <key>; X-API-Key: <key> works too.")
"""Declares the scheme in OpenAPI; the check itself is `ApiKeys`."""


class ApiKeys:
    """The keys that a service accepts. Without any, every request is accepted (loopback only; see ServiceSettings)."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._keys = [key.get_secret_value().encode() for key in keys]

    def check(self, request: Request) -> None:
        """Raise `shared.errors.Unauthorized` unless the request carries one of the keys."""
        if not self._keys:
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
        matches = [hmac.compare_digest(given.encode(), key) for key in self._keys]  # every key, whichever matches
        if not any(matches):
            raise Unauthorized("an API key is needed: Authorization: Bearer <key>")
