"""Reward models with random weights: as much work as trained ones of their size."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from transformers import AutoModelForSequenceClassification

from benchmarks.workload import characters
from trainer.tiny import TinyShape, make_tiny_model


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a model is."""

    name: str
    shape: TinyShape


SMALL = Size(name="small", shape=TinyShape())
"""The demo's."""
BASE = Size(name="base", shape=TinyShape(hidden_size=768, layers=12, heads=12))


def make_checkpoint(size: Size, folder: Path) -> int:
    """Write a checkpoint; returns how many parameters it has."""
    make_tiny_model(folder, characters(), seed=0, shape=size.shape)
    model = AutoModelForSequenceClassification.from_pretrained(str(folder), num_labels=1)
    model.save_pretrained(str(folder))
    return int(model.num_parameters())
