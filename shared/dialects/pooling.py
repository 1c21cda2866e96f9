"""The two forms in which verl asks a discriminative reward model: vLLM's ``/classify`` and OpenAI's ``/v1/embeddings``.

What it sends and reads is in its ``verl/experimental/reward_loop/reward_loop.py`` (`compute_score_disrm`): the last
probability, or the last number of the embedding, of the last item. Both are the reward here, as it is.
"""

from __future__ import annotations

import base64
import struct
import time
from typing import Literal, Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.dialects.door import PROBLEMS, Rewards, TrainerDoor
from shared.dialects.prompts import split_messages, split_query
from shared.http.body import body_of
from shared.http.request_id import request_id_of
from shared.schemas import MAX_ROLLOUTS_PER_REQUEST, FiniteJson, Text


class PoolingRequest(BaseModel):
    """What both forms have in common: conversations, each as one text of a chat template, or one as messages."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    model: Text | None = Field(default=None, description="Given back; this service has one reward.")
    input: Text | list[Text] | None = Field(default=None, description="A conversation, or several, as text.")
    messages: list[dict[Text, FiniteJson]] | None = Field(
        default=None, min_length=1, description="Or one conversation as messages; the last is the completion."
    )

    @model_validator(mode="after")
    def _has_conversations(self) -> Self:
        if (self.input is None) == (self.messages is None):
            raise ValueError("either input or messages")
        if isinstance(self.input, list) and not 1 <= len(self.input) <= MAX_ROLLOUTS_PER_REQUEST:
            raise ValueError(f"1 to {MAX_ROLLOUTS_PER_REQUEST} inputs")
        return self

    def pairs(self) -> list[tuple[str, str]]:
        """Prompt and completion of each conversation; raises `shared.errors.PromptUnknown`."""
        if self.messages is not None:
            return [split_messages([*self.messages])]
        texts = [self.input or ""] if not isinstance(self.input, list) else self.input
        return [split_query(text, None) for text in texts]


class EmbeddingsRequest(PoolingRequest):
    """The OpenAI form."""

    encoding_format: Literal["float", "base64"] = "float"


class PoolingUsage(BaseModel):
    """Tokens that a language model read for the rewards; 0 where none was asked."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0


class Classification(BaseModel):
    """The reward of one conversation, as the one class of a classifier."""

    index: int
    label: str = "LABEL_0"
    probs: list[float] = Field(description="The reward, as it is; a logit where that is the reward's range.")
    num_classes: int = 1


class Classifications(BaseModel):
    """What vLLM answers."""

    id: str
    object: Literal["list"] = "list"
    created: int
    model: str
    data: list[Classification]
    usage: PoolingUsage


class Embedding(BaseModel):
    """The reward of one conversation, as an embedding of one dimension."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(description="Numbers, or with base64 their float32 bytes, little-endian.")


class Embeddings(BaseModel):
    """What OpenAI answers."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: PoolingUsage


def pooling_routes(door: TrainerDoor) -> APIRouter:
    """``POST /classify`` and ``POST /v1/embeddings``."""
    router = APIRouter()

    async def rewards_for(request: Request, asked: PoolingRequest) -> Rewards:
        pairs = asked.pairs()
        return await door.rewards(request, pairs, [None] * len(pairs))

    @router.post("/classify", response_model=Classifications, responses=PROBLEMS, openapi_extra=body_of(PoolingRequest))
    async def classify(request: Request) -> Classifications:
        """Rewards in the form of vLLM's classifiers; a rollout without one is an error of the request."""
        asked = await door.read(request, PoolingRequest)
        rewards = await rewards_for(request, asked)
        return Classifications(
            id=f"classify-{request_id_of(request.scope)}",
            created=int(time.time()),
            model=asked.model or door.info().name,
            data=[Classification(index=index, probs=[value]) for index, value in enumerate(rewards.values)],
            usage=_usage(rewards),
        )

    @router.post(
        "/v1/embeddings", response_model=Embeddings, responses=PROBLEMS, openapi_extra=body_of(EmbeddingsRequest)
    )
    async def embeddings(request: Request) -> Embeddings:
        """Rewards in the form of OpenAI's embeddings, of one dimension; errors as with ``/classify``."""
        asked = await door.read(request, EmbeddingsRequest)
        rewards = await rewards_for(request, asked)
        return Embeddings(
            data=[
                Embedding(index=index, embedding=[value] if asked.encoding_format == "float" else _packed(value))
                for index, value in enumerate(rewards.values)
            ],
            model=asked.model or door.info().name,
            usage=_usage(rewards),
        )

    return router


def _usage(rewards: Rewards) -> PoolingUsage:
    return PoolingUsage(prompt_tokens=rewards.prompt_tokens, total_tokens=rewards.prompt_tokens)


def _packed(value: float) -> str:
    return base64.b64encode(struct.pack("<f", value)).decode()
