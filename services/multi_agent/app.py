"""Builds and runs the multi-agent service.

python -m services.multi_agent.app              serve, with settings from the environment
python -m services.multi_agent.app --openapi    print the API's description
"""

from __future__ import annotations

import json
import sys

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.multi_agent.metrics import MultiAgentMetrics
from services.multi_agent.routes import agent_routes
from services.multi_agent.scorer import MultiAgentScorer
from services.multi_agent.settings import MultiAgentSettings
from shared.llm.metrics import LlmMetrics
from shared.service import create_app, run_service


def build(settings: MultiAgentSettings) -> FastAPI:
    """The application; nothing is asked before it starts."""
    registry = CollectorRegistry()
    scorer = MultiAgentScorer(settings, MultiAgentMetrics(settings.name, registry), LlmMetrics(registry))
    return create_app(scorer, settings, routers=[agent_routes()], registry=registry)


def openapi() -> str:
    """The API's description as committed in ``openapi.json``; of all settings it tells only that there is no index."""
    settings = MultiAgentSettings(llm_url="http://127.0.0.1:8004/v1", llm_model="unused")
    return json.dumps(build(settings).openapi(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Run the service with settings from the environment."""
    if sys.argv[1:] == ["--openapi"]:
        sys.stdout.write(openapi())
        return
    settings = MultiAgentSettings()
    sys.exit(run_service(build(settings), settings))


if __name__ == "__main__":
    main()
