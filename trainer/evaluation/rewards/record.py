"""An evaluation as JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.findings import Finding
from trainer.evaluation.rewards.measuring import Measure, Measured
from trainer.evaluation.rewards.resampling import Estimate
from trainer.evaluation.rewards.result import Evaluation


def record_of(evaluation: Evaluation, findings: list[Finding]) -> dict[str, Any]:
    """All figures; texts are not among them."""
    material, measured = evaluation.material, evaluation.measured
    training = material.training
    return {
        "rows": {
            "source": material.sources.data,
            "in_source": material.of,
            "asked": len(material.rows),
            "good": int(material.labels.sum()),
            "compared": measured.population.rows.size,
            "not_scored_by_all": evaluation.not_by_all,
            "near_pairs": measured.near_pairs,
            "matched_pairs": len(measured.matched),
        },
        "pairs": {
            "source": material.pairs_source,
            "in_source": material.pairs_of,
            "asked": len(material.pairs),
            "compared": measured.population.pairs.size,
            "close_in_length": len(measured.close),
        },
        "training": None
        if training is None
        else {"source": material.sources.train, "rows": len(training.rows), "left_out_as_leaks": training.leaked},
        "high_frequency": {
            "requests_from": evaluation.requests_from,
            "at_least": evaluation.often[0],
            "of": evaluation.often[1],
        },
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "columns": {column.name: _column(column, measured, evaluation) for column in evaluation.columns},
        "left_out": {column.name: _answers(column.name, evaluation) for column in evaluation.left_out},
        "own_rows": {
            name: {"rows": own.population.rows.size, "figures": _figures(name, own)}
            for name, own in evaluation.own.items()
        },
        "comparisons": [
            {**dataclasses.asdict(comparison), "difference": dataclasses.asdict(comparison.difference)}
            for comparison in evaluation.comparisons
        ],
        "slices": [
            {
                "group": each.group,
                "name": each.name,
                "rows": each.rows.size,
                "figures": {
                    name: _estimates(found[(each.group, each.name)])
                    for name, found in measured.slices.items()
                    if (each.group, each.name) in found
                },
            }
            for each in evaluation.slices
        ],
    }


def _column(column: Column, measured: Measured, evaluation: Evaluation) -> dict[str, Any]:
    calibration = measured.calibration.get(column.name)
    return {
        "kind": column.kind,
        "decided_by": column.decided_by,
        "note": column.note,
        "figures": _figures(column.name, measured),
        "calibration": None
        if calibration is None
        else {"by_chance": calibration.by_chance, "bins": [dataclasses.asdict(each) for each in calibration.bins]},
        **(_answers(column.name, evaluation) if column.kind == "reward" else {}),
    }


def _answers(name: str, evaluation: Evaluation) -> dict[str, Any]:
    info = evaluation.infos[name]
    return {
        "version": info.version,
        "range": info.range.model_dump(),
        "answers": dataclasses.asdict(evaluation.outcomes[name]),
    }


def _figures(name: str, measured: Measured) -> dict[str, Any]:
    return _estimates({measure: measured.figures[(name, measure)] for measure in Measure})


def _estimates(found: Mapping[Measure, Estimate | None]) -> dict[str, Any]:
    return {
        measure.value: None if each is None else dataclasses.asdict(each.interval) for measure, each in found.items()
    }
