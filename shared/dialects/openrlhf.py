"""OpenRLHF's remote reward model: ``--reward.remote_url http://HOST:PORT/get_reward``.

What it sends and reads is in its ``openrlhf/utils/agent.py`` (`SingleTurnAgentExecutor`) and ``cli/serve_rm.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from shared.dialects.door import PROBLEMS, TrainerDoor
from shared.dialects.prompts import split_query
from shared.http.body import body_of
from shared.schemas import MAX_ROLLOUTS_PER_REQUEST, FiniteJson, Text


class RewardQuery(BaseModel):
    """What OpenRLHF asks; lists of one length."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    query: list[Text] = Field(
        min_length=1, max_length=MAX_ROLLOUTS_PER_REQUEST, description="Prompt and completion, joined and decoded."
    )
    prompts: list[Text] | None = Field(default=None, description="The prompt of each query.")
    labels: list[FiniteJson] | None = Field(default=None, description="Of the data set; becomes metadata.label.")

    @model_validator(mode="after")
    def _are_as_many(self) -> Self:
        for name, values in (("prompts", self.prompts), ("labels", self.labels)):
            if values is not None and len(values) != len(self.query):
                raise ValueError(f"{len(values)} {name} for {len(self.query)} queries")
        return self

    def pairs(self) -> list[tuple[str, str]]:
        """Prompt and completion of each; raises `shared.errors.PromptUnknown`."""
        prompts: Sequence[str | None] = self.prompts or [None] * len(self.query)
        return [split_query(query, prompt) for query, prompt in zip(self.query, prompts, strict=True)]


class RewardAnswer(BaseModel):
    """What OpenRLHF reads: ``rewards`` train, ``scores`` filter prompts, ``extra_logs`` are logged."""

    rewards: list[float]
    scores: list[float] = Field(description="The probability where the reward has one, for dynamic filtering.")
    extra_logs: dict[str, list[float]]


def openrlhf_routes(door: TrainerDoor) -> APIRouter:
    """``POST /get_reward``."""
    router = APIRouter()

    @router.post("/get_reward", response_model=RewardAnswer, responses=PROBLEMS, openapi_extra=body_of(RewardQuery))
    async def get_reward(request: Request) -> RewardAnswer:
        """Rewards as OpenRLHF asks for them; a rollout without one is an error of the request."""
        asked = await door.read(request, RewardQuery)
        labels: list[JsonValue] = list(asked.labels or [None] * len(asked.query))
        rewards = await door.rewards(request, asked.pairs(), labels)
        return RewardAnswer(
            rewards=rewards.values,
            scores=[
                score.components.get("probability", reward)
                for score, reward in zip(rewards.scores, rewards.values, strict=True)
            ],
            extra_logs={"completion_characters": [float(len(each.completion)) for each in rewards.rollouts]},
        )

    return router
