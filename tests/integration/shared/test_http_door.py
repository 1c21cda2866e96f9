"""The HTTP door of a real server: answers, limits, request ids, and callers that leave."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from shared.client import RewardClient
from shared.errors import PROBLEM_MEDIA_TYPE
from shared.schemas import MAX_ROLLOUTS_PER_REQUEST, RewardInfo, ScoreResponse
from tests.conftest import StartService
from tests.integration.shared.conftest import API_KEY
from tests.support.greetings import rollout, rollouts
from tests.support.processes import Service
from tests.support.scorers import FAILS, FAILS_FOR_GOOD, NOT_A_NUMBER, RAISES, TOO_LONG, reward_of
from tests.support.waiting import until

JSON = {"Content-Type": "application/json"}


def body_of(count: int, *, first: int = 0) -> bytes:
    return json.dumps({"rollouts": [each.model_dump() for each in rollouts(count, first=first)]}).encode()


def client_of(service: Service) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=service.url, timeout=120, trust_env=False, headers=JSON)


def begun(log: Path) -> list[str]:
    """The ids of the rollouts whose scoring began."""
    return log.read_text().split() if log.exists() else []


def test_scores_are_answered_in_order_with_the_reward_that_gave_them(http: httpx.Client) -> None:
    asked = rollouts(50)
    response = http.post("/v1/score", content=body_of(50), headers=JSON)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = ScoreResponse.model_validate_json(response.content)
    assert [score.id for score in answer.scores] == [each.id for each in asked]
    assert [score.reward for score in answer.scores] == [reward_of(each) for each in asked]
    assert (answer.reward.name, answer.reward.version) == ("greetings", "greetings@test-1")


def test_the_largest_request_is_answered_whole(http: httpx.Client) -> None:
    response = http.post("/v1/score", content=body_of(MAX_ROLLOUTS_PER_REQUEST), headers=JSON)
    scores = ScoreResponse.model_validate_json(response.content).scores
    assert [score.status for score in scores] == ["scored"] * MAX_ROLLOUTS_PER_REQUEST


def test_partial_failure_is_an_answer_with_typed_items(http: httpx.Client) -> None:
    markers = ["", FAILS, FAILS_FOR_GOOD, NOT_A_NUMBER, TOO_LONG, RAISES, ""]
    asked = [rollout(number, marker) for number, marker in enumerate(markers)]
    response = http.post("/v1/score", json={"rollouts": [each.model_dump() for each in asked]})
    assert response.status_code == 200
    scores = ScoreResponse.model_validate_json(response.content).scores
    assert [score.error.code if score.error else None for score in scores] == [
        None,
        "judge_unsure",
        "refused",
        "non_finite_reward",
        "text_too_long",
        "scorer_error",
        None,
    ]
    assert [score.reward is None for score in scores] == [marker != "" for marker in markers]


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {API_KEY}"}, {"X-API-Key": "0" * 32}])
def test_every_key_opens_by_either_header(headers: dict[str, str], http_service: Service) -> None:
    response = httpx.get(f"{http_service.url}/v1/reward", headers=headers, trust_env=False)
    assert response.status_code == 200
    assert RewardInfo.model_validate_json(response.content).name == "greetings"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/distribution", "/"])
def test_what_a_platform_looks_at_needs_no_key(path: str, http_service: Service) -> None:
    assert httpx.get(http_service.url + path, trust_env=False).status_code == 200


def test_a_request_id_is_echoed_and_logged(http: httpx.Client, http_service: Service) -> None:
    response = http.post("/v1/score", content=body_of(1), headers={**JSON, "X-Request-ID": "run-7/step=41"})
    assert response.headers["x-request-id"] == "run-7/step=41"
    http_service.wait_for_event(event="request", request_id="run-7/step=41", status=200)


@pytest.mark.parametrize("given", [b"a b", b'"},{"level":"error"', b"\xe7\xa5\x9d", b"x" * 129, b"", b"<b>"])
def test_a_hostile_request_id_is_replaced(given: bytes, http: httpx.Client, http_service: Service) -> None:
    response = http.get("/v1/reward", headers=[(b"X-Request-ID", given)])
    assert response.status_code == 200
    made = response.headers["x-request-id"]
    assert len(made) == 32
    assert made.isalnum()
    http_service.wait_for_event(event="request", request_id=made)


async def test_a_full_queue_is_429_with_retry_after_and_has_room_again_later(
    start_service: StartService, tmp_path: Path
) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    service = start_service(
        "--score-when", str(gate), "--log", str(log), max_pending_rollouts=20, max_rollouts_per_request=20
    )
    service.wait_until()
    async with client_of(service) as client, asyncio.TaskGroup() as group:
        first = group.create_task(client.post("/v1/score", content=body_of(1)))
        await until(lambda: len(begun(log)) == 1, "the first batch is in work")
        more = [
            group.create_task(client.post("/v1/score", content=body_of(20, first=100 * number))) for number in (1, 2, 3)
        ]
        await until(lambda: sum(task.done() for task in more) == 2, "all but one are refused")
        refused = [task.result() for task in more if task.done()]
        assert [response.status_code for response in refused] == [429, 429]
        for response in refused:
            assert int(response.headers["retry-after"]) >= 1
            assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE
            assert response.json()["code"] == "overloaded"
        gate.touch()
        await asyncio.gather(first, *more)
        assert sorted(task.result().status_code for task in more) == [200, 429, 429]
        assert (await client.post("/v1/score", content=body_of(20))).status_code == 200
    assert len(begun(log)) == 41


async def test_a_request_greater_than_this_service_takes_is_refused(start_service: StartService) -> None:
    service = start_service(max_rollouts_per_request=10)
    service.wait_until()
    async with client_of(service) as client:
        response = await client.post("/v1/score", content=body_of(11))
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
        assert (await client.post("/v1/score", content=body_of(10))).status_code == 200


async def test_the_rollouts_of_a_caller_who_left_are_not_scored(start_service: StartService, tmp_path: Path) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    service = start_service(
        "--score-when", str(gate), "--log", str(log), max_pending_rollouts=20, max_rollouts_per_request=20
    )
    service.wait_until()
    async with client_of(service) as client, RewardClient.from_url(service.url) as patient:
        first = asyncio.create_task(client.post("/v1/score", content=body_of(1)))
        await until(lambda: len(begun(log)) == 1)
        leaving = asyncio.create_task(client.post("/v1/score", content=body_of(20, first=100)))
        await asyncio.sleep(0.5)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        # This needs all the room there is: it is refused until the places of the one who left are free again.
        staying = asyncio.create_task(patient.score(rollouts(20, first=300)))
        await asyncio.sleep(0.5)
        gate.touch()
        assert (await first).status_code == 200
        assert {score.status for score in await staying} == {"scored"}
        counted = service.metrics()['zhufu_score_requests_total{door="http",reward="greetings",status="scored"}']
    assert counted == 21
    assert sorted(begun(log)) == sorted([rollout(0).id, *(each.id for each in rollouts(20, first=300))])


async def test_a_caller_who_leaves_in_the_middle_of_a_body_is_no_error_of_the_service(
    start_service: StartService,
) -> None:
    service = start_service()
    service.wait_until()
    _, writer = await asyncio.open_connection("127.0.0.1", service.port)
    head = "POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    writer.write(head.encode())
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
    await writer.wait_closed()
    await until(lambda: '"status": 400' in service.printed(), "the request is logged as the caller's")
    assert '"level": "error"' not in service.printed()
