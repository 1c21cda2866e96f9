"""Builds and runs the reward model service."""

from __future__ import annotations

import sys

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.reward_model.metrics import RewardModelMetrics
from services.reward_model.routes import checkpoint_routes
from services.reward_model.scorer import RewardModelScorer
from services.reward_model.settings import RewardModelSettings
from shared.logging import configure_logging
from shared.service import create_app, run_service


def build(settings: RewardModelSettings) -> FastAPI:
    """The application; nothing is loaded before it starts."""
    registry = CollectorRegistry()
    scorer = RewardModelScorer(settings, RewardModelMetrics(registry))
    return create_app(scorer, settings, routers=[checkpoint_routes(scorer, settings)], registry=registry)


def main() -> None:
    """Run the service with settings from the environment."""
    settings = RewardModelSettings()
    configure_logging(settings.log_level, settings.log_format)
    sys.exit(run_service(build(settings), settings))


if __name__ == "__main__":
    main()
