from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import pytest

from shared import errors
from shared.errors import FieldProblem, InvalidData, InvalidRequest, Overloaded, ScoringFailed, ZhufuError, problem_of

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ZhufuError) and kind is not ZhufuError
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_described_and_has_a_real_status_and_a_code(kind: type[ZhufuError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.__doc__
    assert HTTPStatus(kind.status).value >= 400
    assert kind.code == kind.code.lower()
    assert " " not in kind.code


def test_codes_tell_the_errors_apart() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)


def test_a_problem_says_status_code_detail_and_request() -> None:
    problem = problem_of(Overloaded("满了", retry_after_seconds=3), "步骤7")
    assert problem.model_dump(exclude_none=True) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "code": "overloaded",
        "detail": "满了",
        "request_id": "步骤7",
    }


def test_a_problem_of_an_invalid_request_names_the_fields() -> None:
    fields = [FieldProblem(field="rollouts.0.prompt", message="Field required")]
    assert problem_of(InvalidRequest("一处不对", fields)).errors == fields


def test_a_data_error_names_file_and_row() -> None:
    assert str(InvalidData(Path("starter.jsonl"), "no prompt", row=12)) == "starter.jsonl, row 12: no prompt"
    assert str(InvalidData(Path("starter.jsonl"), "empty")) == "starter.jsonl: empty"


def test_a_failed_scoring_says_whether_another_try_can_help() -> None:
    assert ScoringFailed("超时").may_retry
    refused = ScoringFailed("不予评分", code="refused", retryable=False)
    assert (refused.failure_code, refused.may_retry) == ("refused", False)
