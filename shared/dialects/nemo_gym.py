"""NeMo Gym's resources server, as far as an agent needs it that writes one text: ``/seed_session`` and ``/verify``.

What is sent and read is in its ``nemo_gym/base_resources_server.py`` and ``responses_api_agents/simple_agent/app.py``.
Where its observability is on, Gym puts ``/ng-rollout/<id>`` before the path.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.dialects.door import PROBLEMS, TrainerDoor
from shared.dialects.prompts import completion_of, prompt_of
from shared.http.body import body_of
from shared.schemas import FiniteJson, Text


class _Open(BaseModel):
    """A part of a request that is given back whole, whatever else it holds."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, FiniteJson]


class CreateParams(_Open):
    """What the model was asked, in the form of OpenAI's Responses API."""

    input: Text | list[dict[Text, FiniteJson]]


class ModelResponse(_Open):
    """What the model answered, in the form of OpenAI's Responses API."""

    output: list[dict[Text, FiniteJson]]


class VerifyRequest(_Open):
    """A finished rollout; further fields of the data set are given back."""

    responses_create_params: CreateParams
    response: ModelResponse

    def pair(self) -> tuple[str, str]:
        """Prompt and completion; a model that ended without a message has written nothing.

        Raises:
            shared.errors.PromptUnknown: No text of a user is among what the model was asked.
        """
        asked = self.responses_create_params.input
        return prompt_of(asked if isinstance(asked, str) else [*asked]), completion_of([*self.response.output]) or ""


class VerifyResponse(VerifyRequest):
    """The rollout with its reward."""

    reward: float
    reward_version: str = Field(description="What scored it.")


class SeedSession(_Open):
    """The begin of a rollout; a reward needs to know nothing of it."""


def nemo_gym_routes(door: TrainerDoor) -> APIRouter:
    """``POST /seed_session`` and ``POST /verify``, with and without Gym's prefix."""
    router = APIRouter()

    @router.post("/seed_session", response_model=dict[str, str], responses=PROBLEMS, openapi_extra=body_of(SeedSession))
    async def seed_session(request: Request) -> dict[str, str]:
        """Begins nothing: a reward has no sessions."""
        await door.read(request, SeedSession)
        return {}

    @router.post("/verify", response_model=VerifyResponse, responses=PROBLEMS, openapi_extra=body_of(VerifyRequest))
    async def verify(request: Request) -> VerifyResponse:
        """The rollout given back with its reward; a rollout without one is an error of the request."""
        asked = await door.read(request, VerifyRequest)
        label: JsonValue = (asked.model_extra or {}).get("label")
        (score,) = (await door.rewards(request, [asked.pair()], [label])).scores
        told = {"reward": score.reward, "reward_version": score.version}
        return VerifyResponse.model_validate({**asked.model_dump(), **told})

    prefix = "/ng-rollout/{rollout_id}"
    router.add_api_route(f"{prefix}/seed_session", seed_session, methods=["POST"], include_in_schema=False)
    router.add_api_route(f"{prefix}/verify", verify, methods=["POST"], include_in_schema=False)
    return router
