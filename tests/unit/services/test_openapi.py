"""The committed API description is what the code says."""

from __future__ import annotations

from pathlib import Path

from services.reward_model.app import openapi

COMMITTED = Path(__file__).resolve().parents[3] / "services" / "reward_model" / "openapi.json"


def test_the_committed_description_of_the_reward_model_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == openapi(), "run `make openapi` and look at the difference"
