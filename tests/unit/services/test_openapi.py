"""The committed API descriptions are what the code says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import services.judge.app
import services.multi_agent.app
import services.reward_model.app

SERVICES = Path(__file__).resolve().parents[3] / "services"


@pytest.mark.parametrize(
    ("service", "openapi"),
    [
        ("judge", services.judge.app.openapi),
        ("multi_agent", services.multi_agent.app.openapi),
        ("reward_model", services.reward_model.app.openapi),
    ],
)
def test_the_committed_description_of_each_service_is_current(service: str, openapi: Callable[[], str]) -> None:
    committed = (SERVICES / service / "openapi.json").read_text(encoding="utf-8")
    assert committed == openapi(), "run `make openapi` and look at the difference"
