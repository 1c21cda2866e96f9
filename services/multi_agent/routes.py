"""The routes that only the multi-agent service has: samples for prompts, with their preference pairs; and evaluations
that are told step by step.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field, model_validator

from services.multi_agent.options import EvaluateOptions, SampleOptions
from services.multi_agent.sample import Sample
from services.multi_agent.watching import StepEvent, Watch, WatchedRollout
from shared.http.body import body_of, read_model
from shared.http.disconnect import disconnected
from shared.http.events import EVENT_STREAM, HEARTBEAT, HEARTBEAT_SECONDS, EventStream, event
from shared.http.problems import problem_responses
from shared.json_schema import whole_schema
from shared.schemas import (
    Contract,
    Identifier,
    RewardVersion,
    Rollout,
    Score,
    ScoreFailure,
    ScoreRequest,
    Status,
    Text,
    Usage,
)
from shared.service import Service
from shared.tasks import end_tasks

MAX_PROMPTS: Final = 256

Prompt = Annotated[Text, Field(min_length=1)]


class SamplePrompt(Contract):
    """A prompt to draw a sample for."""

    id: Identifier = Field(description="Chosen by the caller; unique within its request.")
    prompt: Prompt = Field(description="What the candidates are to be written for.")


class SampleRequest(Contract):
    """Prompts whose samples are drawn with one set of options."""

    prompts: list[SamplePrompt] = Field(min_length=1, max_length=MAX_PROMPTS)
    options: SampleOptions = SampleOptions()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[str] = set()
        for prompt in self.prompts:
            if prompt.id in seen:
                raise ValueError(f"prompt id {prompt.id!r} stands twice")
            seen.add(prompt.id)
        return self


class SampleOutcome(Contract):
    """What came of one prompt."""

    id: Identifier
    status: Status
    sample: Sample | None = Field(description="Of a failed one too, where candidates were tried.")
    error: ScoreFailure | None = Field(description="Set exactly where status is not scored.")
    cached: bool = False
    version: Text
    usage: Usage | None = Field(description="Tokens that were paid for it.")
    latency_seconds: float = Field(ge=0)


class SampleResponse(Contract):
    """The outcomes, in the order of the prompts."""

    samples: list[SampleOutcome]
    reward: RewardVersion


class EvaluateRequest(Contract):
    """One rollout whose evaluation is to be told step by step."""

    rollout: Rollout
    options: EvaluateOptions = EvaluateOptions()


def _event_schema(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """One event, as OpenAPI describes the items of a stream."""
    told = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    return {
        "type": "object",
        "properties": {"event": {"const": name}, "data": told},
        "required": ["event", "data"],
    }


_EVENTS: Final[dict[str, Any]] = {
    "description": "Events: any number of `step`, then one `score`.",
    "content": {
        EVENT_STREAM: {
            "schema": {
                "oneOf": [
                    _event_schema("step", whole_schema(StepEvent)),
                    _event_schema("score", {"$ref": "#/components/schemas/Score"}),
                ]
            }
        }
    },
}


def agent_routes() -> APIRouter:
    """``POST /v1/sample`` and ``POST /v1/evaluate``."""
    router = APIRouter()

    @router.post(
        "/v1/sample",
        response_model=SampleResponse,
        responses=problem_responses(400, 401, 413, 415, 422, 429, 503),
        openapi_extra=body_of(SampleRequest),
    )
    async def sample(request: Request) -> Response:
        """Write candidates for prompts, evaluate them, and choose a preference pair for each prompt."""
        service: Service = request.app.state.service
        asked = await read_model(request, SampleRequest, service.settings.max_body_bytes)
        rollouts = [Rollout(id=each.id, prompt=each.prompt, completion="") for each in asked.prompts]
        options = asked.options.model_dump(mode="json", exclude_unset=True)
        scores = await service.answer(request, ScoreRequest(rollouts=rollouts, options={**options, "task": "sample"}))
        info = service.scorer.info()
        answer = SampleResponse(
            samples=[_outcome(score) for score in scores],
            reward=RewardVersion(name=info.name, version=info.version),
        )
        return Response(answer.model_dump_json(), media_type="application/json")

    @router.post(
        "/v1/evaluate",
        response_class=Response,
        responses={200: _EVENTS, **problem_responses(400, 401, 413, 415, 422, 429, 503)},
        openapi_extra=body_of(EvaluateRequest),
    )
    async def evaluate(request: Request) -> Response:
        """Score one rollout, and tell each step as it begins and as it is done, as server-sent events.

        The last event is ``score``. A failure of the evaluation is a failed score, as with ``/v1/score``. When the
        caller goes, the evaluation ends.
        """
        service: Service = request.app.state.service
        asked = await read_model(request, EvaluateRequest, service.settings.max_body_bytes)
        rollout = WatchedRollout.model_validate(asked.rollout.model_dump())
        options = asked.options.model_dump(mode="json", exclude_unset=True)
        admitted = service.admit(ScoreRequest(rollouts=[rollout], options=options))
        closing = contextlib.AsyncExitStack()
        gone = asyncio.create_task(disconnected(request))
        scoring = asyncio.create_task(service.resolved(admitted, gone))
        scoring.add_done_callback(lambda _: rollout.watch.end())
        closing.push_async_callback(end_tasks, [scoring, gone])
        closing.callback(rollout.watch.leave)
        return EventStream(_events(rollout.watch, scoring), closing)

    return router


async def _events(watch: Watch, scoring: asyncio.Task[list[Score]]) -> AsyncIterator[bytes]:
    async for step in watch.events(HEARTBEAT_SECONDS):
        yield HEARTBEAT if step is None else event("step", step.model_dump_json(exclude_none=True))
    for score in await scoring:  # none, where the caller has gone
        yield event("score", score.model_dump_json())


def _outcome(score: Score) -> SampleOutcome:
    found = (score.details or {}).get("sample")
    return SampleOutcome(
        id=score.id,
        status=score.status,
        sample=None if found is None else Sample.model_validate(found),
        error=score.error,
        cached=score.cached,
        version=score.version,
        usage=score.usage,
        latency_seconds=score.latency_seconds,
    )
