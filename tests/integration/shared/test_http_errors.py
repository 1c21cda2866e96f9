"""Every bad input gets a typed problem document (RFC 9457) from a real server."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping

import httpx
import pytest

from shared.errors import PROBLEM_MEDIA_TYPE, Problem
from tests.integration.shared.conftest import API_KEY
from tests.support.greetings import rollout, rollouts
from tests.support.processes import Service

MEBIBYTE = 1024 * 1024
JSON = {"Content-Type": "application/json"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bad:
    """A request that is refused, and how."""

    status: int
    code: str
    body: object = b"{}"
    headers: Mapping[str, str] = dataclasses.field(default_factory=lambda: JSON)
    path: str = "/v1/score"
    method: str = "POST"
    chunked: bool = False
    field: str | None = None
    """One of the fields that the problem names."""


def asked(**changes: object) -> bytes:
    """A request with one rollout, changed."""
    return json.dumps({"rollouts": [{**rollout(1).model_dump(), **changes}]}).encode()


PLAIN = asked()
BAD = {
    "no-body": Bad(status=400, code="malformed_request", body=b""),
    "not-json": Bad(status=400, code="malformed_request", body="祝福".encode()),
    "cut-off": Bad(status=400, code="malformed_request", body=PLAIN[:-2]),
    "two-documents": Bad(status=400, code="malformed_request", body=PLAIN + PLAIN),
    "not-utf-8": Bad(status=400, code="malformed_request", body=PLAIN.decode().encode("utf-16")),
    "broken-utf-8": Bad(status=400, code="malformed_request", body=b'{"rollouts": [{"id": "\xff\xfe"}]}'),
    "nested-too-deep": Bad(status=400, code="malformed_request", body=b'{"options": ' + b'{"a":' * 100_000),
    "lone-surrogate-prompt": Bad(status=400, code="malformed_request", body=asked(prompt="福\ud83c")),
    "lone-surrogate-completion": Bad(status=400, code="malformed_request", body=asked(completion="\udc00")),
    "lone-surrogate-metadata": Bad(status=400, code="malformed_request", body=asked(metadata={"a": ["\ud83c"]})),
    "no-key": Bad(status=401, code="unauthorized", body=PLAIN, headers={**JSON, "Authorization": ""}),
    "wrong-key": Bad(
        status=401, code="unauthorized", body=PLAIN, headers={**JSON, "Authorization": f"Bearer {API_KEY[:-1]}"}
    ),
    "key-of-another-scheme": Bad(
        status=401, code="unauthorized", body=PLAIN, headers={**JSON, "Authorization": f"Basic {API_KEY}"}
    ),
    "wrong-x-api-key": Bad(
        status=401, code="unauthorized", body=PLAIN, headers={**JSON, "Authorization": "", "X-API-Key": "x" * 32}
    ),
    "reward-without-key": Bad(
        status=401, code="unauthorized", method="GET", path="/v1/reward", body=b"", headers={"Authorization": ""}
    ),
    "not-found": Bad(status=404, code="not_found", path="/v2/score"),
    "wrong-method": Bad(status=405, code="method_not_allowed", method="GET", body=b""),
    "wrong-method-of-health": Bad(status=405, code="method_not_allowed", path="/healthz"),
    "ten-mebibytes": Bad(status=413, code="payload_too_large", body=asked(completion="f" * 10 * MEBIBYTE)),
    "ten-mebibytes-chunked": Bad(
        status=413, code="payload_too_large", body=asked(completion="f" * 10 * MEBIBYTE), chunked=True
    ),
    "ten-mebibytes-of-nothing": Bad(status=413, code="payload_too_large", body=b" " * 10 * MEBIBYTE, chunked=True),
    "no-media-type": Bad(status=415, code="unsupported_media_type", body=PLAIN, headers={}),
    "form": Bad(
        status=415,
        code="unsupported_media_type",
        body=PLAIN,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "text": Bad(
        status=415, code="unsupported_media_type", body=PLAIN, headers={"Content-Type": "text/plain; application/json"}
    ),
    "null": Bad(status=422, code="invalid_request", body=b"null", field="body"),
    "list": Bad(status=422, code="invalid_request", body=b"[]", field="body"),
    "number": Bad(status=422, code="invalid_request", body=b"NaN", field="body"),
    "empty-object": Bad(status=422, code="invalid_request", body=b"{}", field="rollouts"),
    "no-rollouts": Bad(status=422, code="invalid_request", body=b'{"rollouts": []}', field="rollouts"),
    "10001-rollouts": Bad(
        status=422,
        code="invalid_request",
        body=json.dumps({"rollouts": [each.model_dump() for each in rollouts(10_001)]}).encode(),
        field="rollouts",
    ),
    "unknown-field": Bad(status=422, code="invalid_request", body=asked(reward=1.0), field="rollouts.0.reward"),
    "unknown-field-above": Bad(
        status=422, code="invalid_request", body=b'{"principles": 3, ' + PLAIN[1:], field="principles"
    ),
    "field-with-an-endless-name": Bad(status=422, code="invalid_request", body=asked(**{"福" * 100_000: 1})),
    "missing-completion": Bad(
        status=422,
        code="invalid_request",
        body=b'{"rollouts": [{"id": "1", "prompt": "a"}]}',
        field="rollouts.0.completion",
    ),
    "empty-id": Bad(status=422, code="invalid_request", body=asked(id=""), field="rollouts.0.id"),
    "empty-prompt": Bad(status=422, code="invalid_request", body=asked(prompt=""), field="rollouts.0.prompt"),
    "number-for-text": Bad(status=422, code="invalid_request", body=asked(prompt=8), field="rollouts.0.prompt"),
    "same-id-twice": Bad(
        status=422,
        code="invalid_request",
        body=json.dumps({"rollouts": [rollout(1).model_dump(), rollout(1).model_dump()]}).encode(),
    ),
    "nan": Bad(status=422, code="invalid_request", body=asked(metadata={"a": [{"b": float("nan")}]})),
    "infinity": Bad(status=422, code="invalid_request", body=asked(metadata={"a": float("-inf")})),
    "nan-option": Bad(status=422, code="invalid_request", body=b'{"options": {"a": NaN}, ' + PLAIN[1:]),
    "unknown-option": Bad(status=422, code="invalid_request", body=b'{"options": {"a": 1}, ' + PLAIN[1:]),
    "wrong-option": Bad(status=422, code="invalid_request", body=b'{"options": {"mode": 7}, ' + PLAIN[1:]),
    "bug-of-the-scorer": Bad(status=500, code="internal_error", body=b'{"options": {"mode": "broken"}, ' + PLAIN[1:]),
}


def in_chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_request_gets_a_typed_problem(bad: Bad, http: httpx.Client) -> None:
    assert isinstance(bad.body, bytes)
    content = in_chunks(bad.body) if bad.chunked else bad.body
    response = http.request(bad.method, bad.path, content=content, headers=bad.headers)
    assert response.status_code == bad.status
    assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE
    problem = Problem.model_validate_json(response.content)
    assert (problem.status, problem.code, problem.type) == (bad.status, bad.code, "about:blank")
    assert problem.title == httpx.codes.get_reason_phrase(bad.status)
    assert problem.request_id == response.headers["x-request-id"]
    assert len(response.content) < 20_000
    if bad.field is not None:
        assert bad.field in [error.field for error in problem.errors or []]
    for word in ("Traceback", "site-packages", "RuntimeError", "a bug in", API_KEY):
        assert word not in response.text


def test_a_refusal_for_want_of_a_key_says_how_to_show_one(http: httpx.Client) -> None:
    response = http.get("/v1/reward", headers={"Authorization": ""})
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_wrong_method_is_told_the_right_one(http: httpx.Client) -> None:
    assert http.get("/v1/score").headers["allow"] == "POST"


def test_errors_never_repeat_the_text_that_was_sent(http: httpx.Client) -> None:
    body = json.dumps({"rollouts": [{"id": "1", "prompt": ["外婆"], "completion": {"石榴": "红了"}}]})
    response = http.post("/v1/score", content=body, headers=JSON)
    assert response.status_code == 422
    for word in ("外婆", "石榴", "红了"):
        assert word not in response.text


def test_the_server_is_well_after_all_of_this(http: httpx.Client, http_service: Service) -> None:
    for bad in BAD.values():
        assert isinstance(bad.body, bytes)
        http.request(bad.method, bad.path, content=bad.body, headers=bad.headers)
    response = http.post("/v1/score", content=PLAIN, headers=JSON)
    assert response.status_code == 200
    assert response.json()["scores"][0]["status"] == "scored"
    assert http.get("/readyz").status_code == 200
    assert "prompt" not in http_service.printed()
