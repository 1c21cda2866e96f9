"""Checkpoints that come with the package; ``make starter-reward-model`` makes them again."""

from __future__ import annotations

from pathlib import Path


def starter_reward_model() -> Path:
    """The folder of the small reward model trained on the starter set; a sequence-classification checkpoint."""
    return Path(__file__).parent / "starter-reward-model"
