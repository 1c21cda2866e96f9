"""Routes that only the judge has: which principles there are, and which are in force."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field

from services.judge.store import PrinciplesStore
from shared.http.body import body_of, read_model
from shared.http.problems import problem_responses
from shared.principles import Principles
from shared.schemas import Contract

MAX_BODY_BYTES = 64 * 1024


class PrinciplesName(Contract):
    """Which principles shall be in force: an id or a version."""

    principles: str = Field(min_length=1, max_length=128)


class Publication(Contract):
    """Principles to be made known, and whether they shall be in force at once."""

    principles: Principles
    activate: bool = Field(default=True, strict=True)


class InForce(Contract):
    """The principles in force."""

    id: str
    version: str


class PrinciplesList(Contract):
    """What can be named, and what is in force."""

    principles: list[Principles]
    active: InForce


def principles_routes(store: PrinciplesStore) -> APIRouter:
    """`GET`, `PUT` and `POST /v1/principles`."""
    router = APIRouter()
    problems = problem_responses(400, 401, 413, 415, 422, 503)

    def active() -> InForce:
        return InForce(id=store.active.id, version=store.active.version)

    @router.get("/v1/principles", response_model=PrinciplesList, responses=problem_responses(401))
    async def list_principles() -> PrinciplesList:
        """All principles that this replica knows, in full, and those in force."""
        await store.refresh()
        return PrinciplesList(principles=[store.known[name] for name in sorted(store.known)], active=active())

    @router.put("/v1/principles", response_model=InForce, responses=problems, openapi_extra=body_of(PrinciplesName))
    async def activate(request: Request) -> InForce:
        """Put known principles in force, from the next rollout on; in other replicas within about a second."""
        asked = await read_model(request, PrinciplesName, MAX_BODY_BYTES)
        await store.activate(asked.principles)
        return active()

    @router.post("/v1/principles", response_model=InForce, responses=problems, openapi_extra=body_of(Publication))
    async def publish(request: Request) -> InForce:
        """Make new principles known, and put them in force unless told otherwise. An id stands for one text only."""
        asked = await read_model(request, Publication, MAX_BODY_BYTES)
        await store.publish(asked.principles)
        if asked.activate:
            await store.activate(asked.principles.id)
        return active()

    return router
