"""The page, its files, and what it has to know of this service. None of them needs a key: they hold no secret."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from shared.playground.assets import PAGE, load_assets
from shared.playground.relay import PREFIX, Relay
from shared.schemas import Contract


class PlaygroundReward(Contract):
    """A reward that the page can ask; ``path`` comes before the ``v1/…`` of its routes, relative to the page.

    So the page also works behind a proxy that shows it somewhere else than at ``/``.
    """

    name: str
    path: str


class PlaygroundConfig(Contract):
    """What the page has to know. The URLs of other services are none of its business."""

    rewards: list[PlaygroundReward]
    needs_key: bool
    timeout_seconds: float


def playground_routes(name: str, relay: Relay, *, needs_key: bool) -> APIRouter:
    """The routes of the page of the reward ``name``, and of those that the relay reaches.

    ``needs_key``: whether this service wants a key for what the page asks.
    """
    router = APIRouter(include_in_schema=False)
    assets = load_assets()
    config = PlaygroundConfig(
        rewards=[
            PlaygroundReward(name=name, path=""),
            *(PlaygroundReward(name=other, path=f"{PREFIX.removeprefix('/')}/{other}/") for other in relay.names),
        ],
        needs_key=needs_key,
        timeout_seconds=relay.timeout_seconds,
    )

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return assets[PAGE].response(request)

    @router.api_route("/playground/static/{file}", methods=["GET", "HEAD"])
    async def static(request: Request, file: str) -> Response:
        if file not in assets:
            raise HTTPException(404)
        return assets[file].response(request)

    @router.get("/playground/config")
    async def configuration() -> Response:
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(config.model_dump_json(), media_type="application/json", headers=headers)

    return router
