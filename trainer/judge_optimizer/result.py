"""OUTPUT/principles.yaml: the result, as the judge serves it, with its parent and what was measured of it."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from shared.documents import DocumentId, first_problem, short_hash
from shared.errors import InvalidData
from shared.principles import Principles
from trainer.judge_optimizer.gate import Measurement, interval_json
from trainer.judge_optimizer.optimize import Optimized, OptimizerJob
from trainer.run_folder import write_whole

RESULT = "principles.yaml"
BEST_SO_FAR = "best.yaml"
PARENT_CHARACTERS = 40
ID_CHARACTERS = 56
"""Longest name: the best so far has the number of its round behind it."""


def check_id(name: str) -> None:
    """Raise `InvalidData` where a name is no id of principles, before anything is paid."""
    try:
        TypeAdapter(DocumentId).validate_python(name)
    except ValidationError as error:
        raise InvalidData("--id", f"{name!r} is no id of principles: {error.errors()[0]['msg']}") from error
    if len(name) > ID_CHARACTERS:
        raise InvalidData("--id", f"{len(name)} characters; at most {ID_CHARACTERS}")


def principles_of(job: OptimizerJob, done: Optimized, name: str | None) -> Principles | None:
    """The best principles; None where not even the starting ones were measured.

    Those of a run that stopped have another id than those it will end with: an id stands for one text.

    Args:
        job: What was to be done.
        done: What came of it.
        name: Id of the result; by default the parent's with a hash of the rules.

    Raises:
        InvalidData: The name is no id.
    """
    if done.best is None or done.start is None:
        return None
    rules = list(done.best.strategy.rules)
    identity = name or f"{job.parent.id[:PARENT_CHARACTERS].rstrip('._-')}-{short_hash(repr(rules))}"
    if done.test is None:
        identity = f"{identity}-r{done.played}"
    try:
        return Principles(
            id=identity,
            parent=job.parent.id,
            language="zh",
            obtained=_obtained(job, done),
            rules=rules,
            measured=_measured(job, done, done.start, done.best.measurement, done.best.round_number),
        )
    except ValidationError as error:
        raise InvalidData(f"--id {identity}", first_problem(error)) from error


def write_principles(principles: Principles, path: Path) -> Path:
    """One rule a line, whole or not at all."""
    document = principles.model_dump(mode="json")
    write_whole(path, yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100_000))
    return path


def _obtained(job: OptimizerJob, done: Optimized) -> str:
    best = done.best.round_number if done.best else 0
    found = f"found in round {best}" if best else "the starting rules, which no change was measured to be better than"
    played = f"{done.played} rounds" if done.test is not None else f"{done.played} rounds, and not at its end yet"
    return (
        f"learned by zhufu optimize-judge from {job.parent.id}: {played}, {found}; Generator, Detector, Reflector and "
        f"strategy optimizer were {job.llm.llm_model}"
    )


def _measured(
    job: OptimizerJob, done: Optimized, start: Measurement, best: Measurement, best_round: int
) -> dict[str, JsonValue]:
    measured: dict[str, JsonValue] = {}
    if done.test is not None:
        before, after = done.test.before, done.test.after
        measured |= {
            "agreement": _mean(after),
            "interval": _bounds(after),
            "agreement_before": _mean(before),
            "interval_before": _bounds(before),
            "difference": interval_json(done.test.difference),
            "n": 2 * sum(score is not None for score in after.by_pair()),
            "failed": after.failed,
            "called_good": after.called_good,
            "data": _json(job.pools.test.describe()),
        }
    measured |= {
        "validation": {
            "agreement": _mean(best),
            "agreement_before": _mean(start),
            "n": 2 * sum(score is not None for score in best.by_pair()),
            "note": "chosen as the best by this figure, which is too high by that",
            "data": _json(job.pools.validation.describe()),
        },
        "model": job.llm.llm_model,
        "api": job.llm.llm_api,
        "rounds": done.played,
        "best_round": best_round,
        "seed": job.seed,
        "batch": job.batch,
        "fooling_rate": None if done.fooling_rate is None else round(done.fooling_rate, 6),
    }
    return measured


def _mean(measurement: Measurement) -> JsonValue:
    agreement = measurement.agreement
    return None if agreement is None else round(agreement.mean, 6)


def _bounds(measurement: Measurement) -> JsonValue:
    agreement = measurement.agreement
    return None if agreement is None else [round(agreement.low, 6), round(agreement.high, 6)]


def _json(values: dict[str, object]) -> JsonValue:
    """What `MatchedSet.describe` tells; all of it is text and numbers."""
    return {name: value if isinstance(value, str | int | float) else str(value) for name, value in values.items()}
