"""/openapi.json of a real server, and schemathesis trying whatever it allows and forbids."""

from __future__ import annotations

from typing import Any

import httpx
import hypothesis
import schemathesis

from shared.errors import PROBLEM_MEDIA_TYPE
from shared.service import create_app
from tests.integration.shared.conftest import API_KEY
from tests.support.effort import FUZZ_EXAMPLES
from tests.support.processes import Service
from tests.support.scorer_process import GreetingsSettings
from tests.support.scorers import MarkedScorer

EXAMPLES_PER_OPERATION = max(25, FUZZ_EXAMPLES)

# What the server serves, as a test below makes sure; made here, for tests are made of it before a server runs.
DOCUMENT = create_app(MarkedScorer(), GreetingsSettings()).openapi()

schema = schemathesis.openapi.from_dict(DOCUMENT)


@schema.parametrize()
@hypothesis.settings(max_examples=EXAMPLES_PER_OPERATION)
def test_no_request_finds_a_server_error_or_an_answer_that_is_not_declared(case: Any, http_service: Service) -> None:
    case.call_and_validate(
        base_url=http_service.url,
        headers={"Authorization": f"Bearer {API_KEY}"},
        # JSON Schema cannot say that ids differ within a request, nor which options a reward takes: 422 is right there.
        excluded_checks=[schemathesis.checks.positive_data_acceptance],
    )


def test_the_document_served_is_the_one_that_was_tried(http: httpx.Client) -> None:
    assert http.get("/openapi.json").json() == DOCUMENT


def test_every_operation_declares_its_errors_as_problem_documents(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == [PROBLEM_MEDIA_TYPE], (path, status)


def test_the_document_describes_the_whole_contract(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/distribution",
        "/v1/reward",
        "/v1/score",
        "/get_reward",
        "/remote_rm",
        "/classify",
        "/v1/embeddings",
        "/seed_session",
        "/verify",
    }
    assert {"Rollout", "ScoreRequest", "Score", "ScoreResponse", "Problem", "RewardInfo"} <= set(
        document["components"]["schemas"]
    )
    assert set(document["paths"]["/v1/score"]["post"]["responses"]) == {
        "200",
        "400",
        "401",
        "413",
        "415",
        "422",
        "429",
        "503",
    }
    assert document["paths"]["/v1/score"]["post"]["security"]
    assert "security" not in document["paths"]["/healthz"]["get"]
