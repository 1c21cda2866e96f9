"""The route that only the multi-agent service has: samples for prompts, with their preference pairs."""

from __future__ import annotations

from typing import Annotated, Final, Self

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field, model_validator

from services.multi_agent.options import SampleOptions
from services.multi_agent.sample import Sample
from shared.http.body import body_of, read_model
from shared.http.problems import problem_responses
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


def sample_routes() -> APIRouter:
    """``POST /v1/sample``."""
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

    return router


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
