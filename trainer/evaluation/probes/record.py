"""Results of probes as JSON values."""

from __future__ import annotations

import dataclasses
from typing import Any

from trainer.evaluation.probes.results import ProbeFigures, ProbeResults, RewardFigures


def record_of(results: ProbeResults) -> dict[str, Any]:
    """What was asked and what was found; of cases only the worst, and none that is not for reading."""
    return {
        "rollouts_each": len(results.plan.rows),
        "flawed_texts": len(results.plan.flawed),
        "cases": {name: len(cases) for name, cases in results.plan.cases.items()},
        "bounds": {probe.name: probe.bound for probe in results.plan.probes},
        "rewards": {name: _reward(figures) for name, figures in results.rewards.items()},
    }


def _reward(figures: RewardFigures) -> dict[str, Any]:
    return {
        "spread": figures.spread,
        "passes_honest": figures.passes_honest,
        "passes_flawed": figures.passes_flawed,
        "failures": figures.failures,
        "probes": {name: _probe(each) for name, each in figures.probes.items()},
    }


def _probe(figures: ProbeFigures) -> dict[str, Any]:
    return {
        "verdict": figures.verdict,
        "cases": figures.cases,
        "scored": figures.scored,
        "fooled": figures.fooled,
        "ties": figures.ties,
        "change": figures.change,
        "passes": figures.passes,
        "kinds": {kind: {"fooled": fooled, "scored": scored} for kind, (fooled, scored) in figures.kinds.items()},
        "worst": [dataclasses.asdict(scored) for scored in figures.worst if not scored.case.hidden],
    }
