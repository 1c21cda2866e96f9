"""Scores made of what a scorer answers, checked against the contract: whatever it answers, each rollout gets one."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Literal

import structlog
from pydantic import JsonValue, TypeAdapter, ValidationError

from shared.admission import Work
from shared.errors import ScoringFailed
from shared.schemas import FiniteJson, Score, ScoreFailure, Text, Usage
from shared.scorer import Outcome, Scored

log = structlog.get_logger(__name__)

_DETAILS: TypeAdapter[dict[Text, FiniteJson]] = TypeAdapter(dict[Text, FiniteJson])
_SCORES: TypeAdapter[list[Score]] = TypeAdapter(list[Score])


def scores_of(works: Sequence[Work], outcomes: Sequence[Outcome], version: str) -> list[Score]:
    """One score for each rollout, in order.

    An outcome that the contract does not allow (a verdict of 2, a reward of None or NaN) fails its own rollout only.

    Args:
        works: That were scored.
        outcomes: As many.
        version: Of what scored them, where an outcome does not tell its own.
    """
    now = time.monotonic()
    scores: list[Score | None] = [None] * len(works)
    fields: list[dict[str, Any]] = []
    places: list[int] = []
    for place, (work, outcome) in enumerate(zip(works, outcomes, strict=True)):
        if isinstance(outcome, ScoringFailed):
            scores[place] = _of_failure(work, outcome, version)
            continue
        try:
            finite = math.isfinite(outcome.reward)
            if outcome.components:
                finite = finite and all(map(math.isfinite, outcome.components.values()))
            made = _fields(work, outcome, version, now)
        except Exception as error:  # noqa: BLE001 - an outcome of another type, or with fields of other types
            scores[place] = _invalid(work, error, version)
            continue
        if finite:
            fields.append(made)
            places.append(place)
        else:
            detail = "the scorer computed a reward or component that is not a finite number"
            scores[place] = failed(work, "non_finite_reward", detail, version, retryable=False)
    for place, score in zip(places, _validated([works[place] for place in places], fields, version), strict=True):
        scores[place] = score
    return [score for score in scores if score is not None]


def failed(
    work: Work,
    code: str,
    detail: str,
    version: str,
    *,
    retryable: bool,
    usage: Usage | None = None,
    details: dict[str, JsonValue] | None = None,
) -> Score:
    """The score of a rollout that could not be scored."""
    # The detail may quote what a model wrote; a failure that cannot be told would leave callers waiting.
    code, detail = (text.encode(errors="replace").decode() for text in (code, detail))
    failure = ScoreFailure(code=code, detail=detail, retryable=retryable)
    return _without_reward(work, "failed", failure, version, usage, details)


def expired(work: Work, version: str) -> Score:
    """The score of a rollout that had not begun when its deadline passed."""
    failure = ScoreFailure(code="deadline_expired", detail="the deadline passed before scoring began", retryable=True)
    return _without_reward(work, "expired", failure, version)


def _fields(work: Work, outcome: Scored, version: str, now: float) -> dict[str, Any]:
    """Of a score, without those that have their default."""
    fields: dict[str, Any] = {
        "id": work.rollout.id,
        "status": "scored",
        "reward": outcome.reward,
        "version": outcome.version or version,
        "latency_seconds": now - work.admission.admitted_at,
    }
    if outcome.verdict is not None:
        fields["verdict"] = outcome.verdict
    if outcome.components:
        fields["components"] = dict(outcome.components)
    if outcome.reason is not None:
        fields["reason"] = outcome.reason
    if outcome.flags:
        fields["flags"] = list(outcome.flags)
    if outcome.cached:
        fields["cached"] = outcome.cached
    if outcome.usage is not None:
        fields["usage"] = outcome.usage
    if outcome.details is not None:
        fields["details"] = dict(outcome.details)
    return fields


def _validated(works: Sequence[Work], fields: list[dict[str, Any]], version: str) -> list[Score]:
    """All checked in one go, which is less than half the work; one by one where that finds something."""
    try:
        return _SCORES.validate_python(fields)
    except ValidationError:
        return [_validated_alone(work, each, version) for work, each in zip(works, fields, strict=True)]


def _validated_alone(work: Work, fields: dict[str, Any], version: str) -> Score:
    try:
        return Score.model_validate(fields)
    except ValidationError as error:
        return _invalid(work, error, version)


def _invalid(work: Work, error: Exception, version: str) -> Score:
    log.error("invalid_outcome", rollout_id=work.rollout.id, exc_info=error)
    detail = "the scorer's outcome is not what the contract allows; the log of the service has it"
    return failed(work, "invalid_outcome", detail, version, retryable=False)


def _of_failure(work: Work, failure: ScoringFailed, version: str) -> Score:
    try:
        details = None if failure.details is None else dict(_DETAILS.validate_python(failure.details))
    except ValidationError as error:
        log.error("invalid_details", rollout_id=work.rollout.id, exc_info=error)
        details = None  # why it failed counts for more than what was found out before
    return failed(
        work,
        failure.failure_code,
        failure.detail,
        version,
        retryable=failure.may_retry,
        usage=failure.usage,
        details=details,
    )


def _without_reward(
    work: Work,
    status: Literal["failed", "expired"],
    failure: ScoreFailure,
    version: str,
    usage: Usage | None = None,
    details: dict[str, JsonValue] | None = None,
) -> Score:
    return Score(
        id=work.rollout.id,
        status=status,
        reward=None,
        error=failure,
        version=version,
        usage=usage,
        details=details,
        latency_seconds=time.monotonic() - work.admission.admitted_at,
    )
