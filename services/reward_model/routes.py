"""Routes that only the reward model service has: which checkpoints there are, and which one scores."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field

from services.reward_model.scorer import RewardModelScorer
from services.reward_model.settings import RewardModelSettings
from shared.errors import InvalidData, InvalidRequest
from shared.http.body import read_model
from shared.http.problems import problem_responses
from shared.schemas import Contract

MAX_BODY_BYTES = 4096


class CheckpointName(Contract):
    """Which checkpoint shall score: the name of a folder in ``checkpoints_dir``, never a path."""

    checkpoint: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")


class ActiveCheckpoint(Contract):
    """The checkpoint that scores now."""

    checkpoint: str
    version: str


class CheckpointList(Contract):
    """What can be activated, and what is active."""

    checkpoints: list[str]
    active: ActiveCheckpoint | None


def checkpoint_routes(scorer: RewardModelScorer, settings: RewardModelSettings) -> APIRouter:
    """`GET` and `PUT /v1/checkpoint`."""
    router = APIRouter()
    schema = CheckpointName.model_json_schema()

    @router.get("/v1/checkpoint", response_model=CheckpointList, responses=problem_responses(401))
    async def list_checkpoints() -> CheckpointList:
        """The checkpoints that can be activated by name, and the active one."""
        return CheckpointList(checkpoints=_names(settings), active=_active(scorer))

    @router.put(
        "/v1/checkpoint",
        response_model=ActiveCheckpoint,
        responses=problem_responses(400, 401, 413, 415, 422),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}},
    )
    async def activate(request: Request) -> ActiveCheckpoint:
        """Load a checkpoint and let it score from the next batch on. No request is dropped meanwhile."""
        asked = await read_model(request, CheckpointName, MAX_BODY_BYTES)
        if asked.checkpoint not in _names(settings):
            raise InvalidRequest(f"there is no checkpoint {asked.checkpoint!r}; GET /v1/checkpoint lists them")
        try:
            loaded = await scorer.activate(asked.checkpoint)
        except InvalidData as error:
            raise InvalidRequest(f"checkpoint {asked.checkpoint!r} cannot be served: {error.detail}") from error
        except (OSError, ValueError, RuntimeError) as error:
            raise InvalidRequest(f"checkpoint {asked.checkpoint!r} could not be loaded; the log says why") from error
        return ActiveCheckpoint(checkpoint=loaded.label, version=loaded.version)

    return router


def _names(settings: RewardModelSettings) -> list[str]:
    folder = settings.checkpoints_dir
    if folder is None or not folder.is_dir():
        return []
    return sorted(path.parent.name for path in folder.glob("*/config.json"))


def _active(scorer: RewardModelScorer) -> ActiveCheckpoint | None:
    checkpoint = scorer.active
    return None if checkpoint is None else ActiveCheckpoint(checkpoint=checkpoint.label, version=checkpoint.version)
