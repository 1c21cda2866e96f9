"""A route that is all its own: the request in, the response out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class DirectRoute(APIRoute):
    """Calls its endpoint with the request and sends the response that it returns.

    FastAPI would resolve the route's dependencies and parameters before, which takes longer than to score a rollout.
    They are still described in /openapi.json, but **not run**: the endpoint itself checks the key and reads the body.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint; https://fastapi.tiangolo.com/how-to/custom-request-and-route/ tells of this hook."""
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            response: Response = await endpoint(request)
            return response

        return handle
