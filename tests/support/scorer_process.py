"""A real service process around a `MarkedScorer`: ``python -m tests.support.scorer_process``; settings: environment."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shared.service import create_app, run_service
from shared.settings import ServiceSettings, service_config
from tests.support.scorers import MarkedScorer


class GreetingsSettings(ServiceSettings):
    """The common settings, under the name of this service."""

    model_config = service_config("greetings")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds-per-batch", type=float, default=0.0)
    parser.add_argument("--score-when", type=Path)
    parser.add_argument("--start-when", type=Path)
    parser.add_argument("--start-fails", action="store_true")
    parser.add_argument("--log", type=Path)
    arguments = parser.parse_args()
    settings = GreetingsSettings()
    return run_service(create_app(MarkedScorer(**vars(arguments)), settings), settings)


if __name__ == "__main__":
    sys.exit(main())
