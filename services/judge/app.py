"""Builds and runs the judge service.

python -m services.judge.app              serve, with settings from the environment
python -m services.judge.app --openapi    print the API's description
"""

from __future__ import annotations

import json
import sys

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.judge.metrics import JudgeMetrics
from services.judge.routes import principles_routes
from services.judge.scorer import JudgeScorer
from services.judge.settings import JudgeSettings
from shared.llm.metrics import LlmMetrics
from shared.service import create_app, run_service


def build(settings: JudgeSettings) -> FastAPI:
    """The application; nothing is asked before it starts."""
    registry = CollectorRegistry()
    scorer = JudgeScorer(settings, JudgeMetrics(settings.name, registry), LlmMetrics(registry))
    return create_app(scorer, settings, routers=[principles_routes(scorer.principles)], registry=registry)


def openapi() -> str:
    """The API's description as committed in ``openapi.json``; it depends on no setting."""
    settings = JudgeSettings(llm_url="http://127.0.0.1:8004/v1", llm_model="unused")
    return json.dumps(build(settings).openapi(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Run the service with settings from the environment."""
    if sys.argv[1:] == ["--openapi"]:
        sys.stdout.write(openapi())
        return
    settings = JudgeSettings()
    sys.exit(run_service(build(settings), settings))


if __name__ == "__main__":
    main()
