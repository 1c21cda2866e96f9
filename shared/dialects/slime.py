"""slime's remote reward model: ``--rm-type remote_rm --rm-url http://HOST:PORT/remote_rm``.

What it sends and reads is in its ``slime/rollout/rm_hub/__init__.py`` (`remote_rm`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.dialects.chat_markup import answered_in
from shared.dialects.door import PROBLEMS, TrainerDoor
from shared.dialects.prompts import prompt_of
from shared.http.body import body_of
from shared.schemas import FiniteJson, Score, Text


class SlimeSample(BaseModel):
    """What slime asks about one sample."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    prompt: Text | list[dict[Text, FiniteJson]] = Field(description="A text, or messages.")
    response: Text = Field(description="What the policy wrote.")
    label: FiniteJson = Field(default=None, description="Of the data set; becomes metadata.label.")


class SlimeForm(BaseModel):
    """How slime wants its answer; a parameter that is not known is refused, as it may be this one misspelt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keyed: bool = Field(default=False, description="An object for slime's --reward-key in place of a number.")


def slime_routes(door: TrainerDoor) -> APIRouter:
    """``POST /remote_rm``."""
    router = APIRouter()

    @router.post(
        "/remote_rm",
        response_model=float | dict[str, JsonValue],
        responses=PROBLEMS,
        openapi_extra=body_of(SlimeSample),
    )
    async def remote_rm(request: Request, form: Annotated[SlimeForm, Query()]) -> float | dict[str, JsonValue]:
        """The reward of one sample: a number, or with ``keyed`` an object for slime's ``--reward-key``."""
        asked = await door.read(request, SlimeSample)
        messages: JsonValue = asked.prompt if isinstance(asked.prompt, str) else list(asked.prompt)
        pair = prompt_of(messages), answered_in(asked.response)
        (score,) = (await door.rewards(request, [pair], [asked.label])).scores
        return _keyed(score) if form.keyed else _number(score)

    return router


def _number(score: Score) -> float:
    assert score.reward is not None, "rewards() raises where there is none"
    return score.reward


def _keyed(score: Score) -> dict[str, JsonValue]:
    """The components by their names, and the reward as ``reward``."""
    return {**score.components, "verdict": score.verdict, "version": score.version, "reward": _number(score)}
