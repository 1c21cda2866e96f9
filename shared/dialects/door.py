"""What every dialect does between reading a request and writing its answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, JsonValue, ValidationError

from shared.errors import Busy, FieldProblem, MalformedRequest, Overloaded, RolloutFailed, RolloutRefused
from shared.http.body import MAX_REPORTED_FIELDS, read_model, refusal
from shared.http.problems import problem_responses
from shared.schemas import RewardInfo, Rollout, Score, ScoreRequest

Model = TypeVar("Model", bound=BaseModel)

PROBLEMS: dict[int | str, dict[str, Any]] = problem_responses(400, 401, 413, 415, 422, 503)
"""How a request of any dialect can be refused."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainerDoor:
    """The way from a trainer's request to the scorer, through the service's own limits."""

    answer: Callable[[Request, ScoreRequest], Awaitable[list[Score]]]
    info: Callable[[], RewardInfo]
    max_body_bytes: int

    async def read(self, request: Request, model: type[Model]) -> Model:
        """The body of a request; raises as `shared.http.body.read_model` does."""
        return await read_model(request, model, self.max_body_bytes)

    async def rewards(self, request: Request, asked: Sequence[tuple[str, str]], labels: Sequence[JsonValue]) -> Rewards:
        """Score (prompt, completion) pairs; every one of them has a reward, or there is an error.

        Args:
            request: Of the trainer.
            asked: Prompt and completion of each rollout.
            labels: What the trainer's data set says of each, for scorers that look at a rollout's metadata.

        Raises:
            InvalidRequest: The service takes fewer at once, or a text is not one.
            RolloutRefused: At least one rollout failed for good.
            RolloutFailed: At least one rollout failed or was too late, and none for good.
            Busy: There is no room for them now.
            NotReady, ShuttingDown: As at ``/v1/score``.
        """
        pairs = zip(asked, labels, strict=True)
        rollouts = [_rollout(number, *pair, label) for number, (pair, label) in enumerate(pairs)]
        try:
            scores = await self.answer(request, ScoreRequest(rollouts=rollouts))
        except Overloaded as error:
            raise Busy(error.detail, error.retry_after_seconds) from error
        if not scores:
            raise MalformedRequest("the connection ended before the rewards were there")
        _refuse_failures(scores)
        return Rewards(rollouts=rollouts, scores=scores)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rewards:
    """Rollouts that all have a reward."""

    rollouts: Sequence[Rollout]
    scores: Sequence[Score]

    @property
    def values(self) -> list[float]:
        """The rewards, in order."""
        return [score.reward for score in self.scores if score.reward is not None]

    @property
    def prompt_tokens(self) -> int:
        """What a language model read for them, where the scorer tells."""
        return sum(score.usage.prompt_tokens for score in self.scores if score.usage)


def _rollout(number: int, prompt: str, completion: str, label: JsonValue) -> Rollout:
    metadata = {} if label is None or label == "" else {"label": label}
    try:
        return Rollout(id=str(number), prompt=prompt, completion=completion, metadata=metadata)
    except ValidationError as error:
        raise refusal(error.errors(include_url=False, include_input=False, include_context=False)) from None


def _refuse_failures(scores: Sequence[Score]) -> None:
    failed = [(score.id, score.error) for score in scores if score.error is not None]
    if not failed:
        return
    # Those that no other try would change come first: they decide about the whole request.
    failed.sort(key=lambda item: item[1].retryable)
    number, first = failed[0]
    detail = f"{len(failed)} of {len(scores)} got no reward; rollout {number}: {first.code}: {first.detail}"
    if first.retryable:
        raise RolloutFailed(detail)
    fields = [FieldProblem(field=number, message=error.code) for number, error in failed[:MAX_REPORTED_FIELDS]]
    raise RolloutRefused(detail, fields)
