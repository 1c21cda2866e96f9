"""Builds and runs the reward model service.

python -m services.reward_model.app              serve, with settings from the environment
python -m services.reward_model.app --openapi    print the API's description and end
"""

from __future__ import annotations

import json
import sys

import torch
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.reward_model.checkpoint import choose_device
from services.reward_model.cpu import for_cpu
from services.reward_model.metrics import RewardModelMetrics
from services.reward_model.routes import checkpoint_routes
from services.reward_model.scorer import RewardModelScorer
from services.reward_model.settings import RewardModelSettings
from shared.allocator import keep_freed_memory
from shared.service import create_app, run_service


def build(settings: RewardModelSettings) -> FastAPI:
    """The application; nothing is loaded before it starts."""
    if choose_device(settings.device).type == "cpu":
        settings = for_cpu(settings, torch.get_num_threads())
    registry = CollectorRegistry()
    scorer = RewardModelScorer(settings, RewardModelMetrics(registry))
    return create_app(scorer, settings, routers=[checkpoint_routes(scorer, settings)], registry=registry)


def openapi() -> str:
    """The API's description as committed in ``openapi.json``; it depends on no setting."""
    return json.dumps(build(RewardModelSettings(checkpoint="unused")).openapi(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Run the service with settings from the environment."""
    if sys.argv[1:] == ["--openapi"]:
        sys.stdout.write(openapi())
        return
    keep_freed_memory()
    settings = RewardModelSettings()
    sys.exit(run_service(build(settings), settings))


if __name__ == "__main__":
    main()
