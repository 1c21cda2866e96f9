"""Fills the volume that replicas share: an LLM from the model hub, and the starter reward model to begin with.

It does nothing twice, and what has its final name is whole: a Job that was cut short can run again.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from trainer.checkpoints import starter_reward_model

HALF = ".half-fetched"
PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
"""Weights and tokenizers as data. No pickles and no code."""


def fetch_llm(models: Path, model: str, revision: str) -> Path:
    """Download a model into ``models / model``; returns the folder."""
    folder = models / model
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        half = models / HALF / model
        snapshot_download(model, revision=revision, local_dir=half, allow_patterns=PATTERNS)
        folder.parent.mkdir(parents=True, exist_ok=True)
        half.rename(folder)
    return folder


def place_reward_model(models: Path) -> Path:
    """Copy the starter reward model to ``models / rewards / default`` unless one lies there; returns the folder."""
    folder = models / "rewards" / "default"
    if not folder.is_dir():
        half = models / HALF / "rewards"
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(starter_reward_model(), half)
        folder.parent.mkdir(parents=True, exist_ok=True)
        half.rename(folder)
    return folder


def main() -> None:
    """Fill the folder that ``MODELS`` names with what ``MODEL`` and ``REVISION`` say."""
    models = Path(os.environ["MODELS"])
    sys.stdout.write(f"{place_reward_model(models)}\n")
    sys.stdout.write(f"{fetch_llm(models, os.environ['MODEL'], os.environ['REVISION'])}\n")


if __name__ == "__main__":
    main()
