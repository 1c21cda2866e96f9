"""Writes the dashboards that Grafana reads: ``python -m monitoring.dashboards``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards import latency, llm_cost, queue, rewards, training

FOLDER: Final = Path(__file__).resolve().parents[1] / "grafana" / "dashboards"
DASHBOARDS: Final[Mapping[str, Callable[[], Dashboard]]] = {
    "rewards": rewards.dashboard,
    "latency": latency.dashboard,
    "queue": queue.dashboard,
    "llm-cost": llm_cost.dashboard,
    "training": training.dashboard,
}
"""By the names of their files."""


def written(dashboard: Dashboard) -> str:
    """As its file holds it."""
    return json.dumps(dashboard, cls=JSONEncoder, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them all, and remove what is no dashboard any more."""
    for path in set(FOLDER.glob("*.json")) - {FOLDER / f"{name}.json" for name in DASHBOARDS}:
        path.unlink()
    for name, dashboard in DASHBOARDS.items():
        path = FOLDER / f"{name}.json"
        path.write_text(written(dashboard()), encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
