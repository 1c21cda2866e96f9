"""All dialects, for `shared.service.create_app`."""

from __future__ import annotations

from fastapi import APIRouter

from shared.dialects.door import TrainerDoor
from shared.dialects.nemo_gym import nemo_gym_routes
from shared.dialects.openrlhf import openrlhf_routes
from shared.dialects.pooling import pooling_routes
from shared.dialects.slime import slime_routes


def dialect_routes(door: TrainerDoor) -> list[APIRouter]:
    """The routes of every trainer that is known."""
    return [routes(door) for routes in (openrlhf_routes, slime_routes, pooling_routes, nemo_gym_routes)]
