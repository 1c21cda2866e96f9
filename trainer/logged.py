"""What the Hugging Face trainer logs, and what of it belongs to a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

SUMMARY: Final = "train_runtime"
"""Stands in what is logged at the end, which is of no step, and after a resume about the rest alone."""


def figures_in(logged: Mapping[str, Any]) -> dict[str, float]:
    """By name, what is a number, and finite."""
    return {
        name: float(value)
        for name, value in logged.items()
        if isinstance(value, int | float) and math.isfinite(float(value))
    }
