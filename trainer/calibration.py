"""Logits to probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from shared.reward_format import Calibration

CALIBRATION_STEPS = 100
SMALLEST_STEP = 1e-10
SMALLEST_DIFFERENCE = 1e-9
"""Between the means of good and bad logits, as a share of their spread."""


def fit_calibration(good: Sequence[float], bad: Sequence[float]) -> Calibration | None:
    """Platt scaling with Platt's smoothed targets; None where the logits do not tell good from bad.

    Newton's method with a line search. Source: J. Platt, Probabilistic outputs for support vector machines (1999);
    Lin, Lin and Weng (2007).
    """
    values = torch.tensor([*good, *bad], dtype=torch.float64)
    spread = float(values.max() - values.min())
    difference = math.fsum(good) / len(good) - math.fsum(bad) / len(bad)
    if spread == 0 or difference <= spread * SMALLEST_DIFFERENCE:
        return None  # the slope has the sign of this difference; of nothing, it would be rounding noise
    high, low = (len(good) + 1) / (len(good) + 2), 1 / (len(bad) + 2)
    targets = torch.tensor([high] * len(good) + [low] * len(bad), dtype=torch.float64)
    features = torch.stack([values, torch.ones_like(values)], dim=1)
    weights = torch.zeros(2, dtype=torch.float64)

    def loss(candidate: torch.Tensor) -> float:
        logits = features @ candidate
        return float((torch.nn.functional.softplus(logits) - targets * logits).sum())

    for _ in range(CALIBRATION_STEPS):
        probabilities = torch.sigmoid(features @ weights)
        gradient = features.T @ (probabilities - targets)
        curvature = features.T @ (features * (probabilities * (1 - probabilities))[:, None])
        step = torch.linalg.solve(curvature + 1e-9 * torch.eye(2, dtype=torch.float64), gradient)
        while loss(weights - step) > loss(weights) and float(step.abs().max()) > SMALLEST_STEP:
            step = step / 2  # a whole step may go too far where outliers bend the curve
        weights = weights - step
        if float(step.abs().max()) < SMALLEST_STEP:
            break
    scale, bias = float(weights[0]), float(weights[1])
    return Calibration(scale=scale, bias=bias) if scale > 0 and math.isfinite(scale) and math.isfinite(bias) else None
