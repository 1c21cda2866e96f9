"""A service process from its start to its drained end, and while Redis is away."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.client import RewardClient
from shared.errors import PROBLEM_MEDIA_TYPE, RewardUnavailable
from tests.conftest import StartService
from tests.integration.shared.conftest import API_KEY
from tests.support.greetings import rollouts
from tests.support.processes import RedisServer, Service, free_port
from tests.support.waiting import until


def get(service: Service, path: str) -> httpx.Response:
    return httpx.get(service.url + path, timeout=30, trust_env=False)


def begun(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def test_while_it_loads_it_is_alive_but_not_ready(start_service: StartService, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    service = start_service("--start-when", str(gate))
    service.wait_until("/healthz")
    ready = get(service, "/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert (ready.headers["content-type"], ready.headers["retry-after"]) == (PROBLEM_MEDIA_TYPE, "1")
    body = {"rollouts": [each.model_dump() for each in rollouts(1)]}
    asked = httpx.post(f"{service.url}/v1/score", json=body, timeout=30, trust_env=False)
    assert (asked.status_code, asked.json()["code"]) == (503, "not_ready")
    assert get(service, "/v1/reward").status_code == 200
    gate.touch()
    service.wait_until("/readyz")
    assert service.terminate() == 0


def test_a_scorer_that_cannot_start_ends_the_process_with_status_1(start_service: StartService) -> None:
    service = start_service("--start-fails")
    assert service.wait(60) == 1
    assert "the weights are not where they should be" in service.printed()


def test_a_port_that_is_taken_ends_the_process(start_service: StartService, http_service: Service) -> None:
    assert start_service(port=http_service.port).wait(60) != 0


@pytest.mark.parametrize(
    "wrong",
    [{"host": "0.0.0.0"}, {"api_keys": "short"}, {"lease_seconds": "inf"}, {"redis_url": "amqp://host"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_settings_that_are_wrong_end_the_process_at_start(start_service: StartService, wrong: dict[str, Any]) -> None:
    assert start_service(**wrong).wait(60) == 1


def test_no_key_stands_in_the_log(start_service: StartService, redis_server: RedisServer) -> None:
    service = start_service(redis=redis_server, api_keys=API_KEY, log_level="debug")
    service.wait_until()
    headers = {"Authorization": f"Bearer {API_KEY}"}
    body = {"rollouts": [each.model_dump() for each in rollouts(3)]}
    httpx.post(f"{service.url}/v1/score", json=body, headers=headers, timeout=30, trust_env=False)
    service.terminate()
    assert API_KEY not in service.printed()


def test_while_redis_is_away_it_is_alive_but_not_ready_and_scores_over_http(
    start_service: StartService, own_redis: RedisServer
) -> None:
    service = start_service(redis=own_redis, lease_seconds=1)
    service.wait_until()
    own_redis.stop()
    service.wait_until("/readyz", 503)
    assert get(service, "/readyz").json()["detail"] == "Redis does not answer"
    assert get(service, "/healthz").status_code == 200
    body = {"rollouts": [each.model_dump() for each in rollouts(1)]}
    asked = httpx.post(f"{service.url}/v1/score", json=body, timeout=30, trust_env=False)
    assert asked.json()["scores"][0]["status"] == "scored"
    own_redis.start()
    service.wait_until("/readyz", 200)
    assert get(service, "/healthz").status_code == 200


def test_it_starts_before_redis_does(start_service: StartService, own_redis: RedisServer) -> None:
    own_redis.stop()
    service = start_service(redis=own_redis, lease_seconds=1)
    service.wait_until("/healthz")
    service.wait_until("/readyz", 503)
    own_redis.start()
    service.wait_until("/readyz", 200)


async def test_it_leaves_slowly_where_it_is_told_to(start_service: StartService) -> None:
    service = start_service(leave_seconds=300)
    service.wait_until()
    body = {"rollouts": [each.model_dump() for each in rollouts(1)]}
    async with httpx.AsyncClient(base_url=service.url, timeout=30, trust_env=False) as client:
        assert "connection" not in (await client.post("/v1/score", json=body)).headers
        service.send(signal.SIGTERM)
        await asyncio.to_thread(service.wait_until, "/readyz", 503)
        assert (await client.get("/readyz")).json()["detail"] == "this process is about to end"
        asked = await client.post("/v1/score", json=body)
        assert (asked.status_code, asked.headers["connection"]) == (200, "close")
        assert asked.json()["scores"][0]["status"] == "scored"
        assert (await client.get("/healthz")).status_code == 200
        service.send(signal.SIGTERM)
        assert await asyncio.to_thread(service.wait) == 0


async def test_it_ends_when_it_has_left(start_service: StartService) -> None:
    service = start_service(leave_seconds=0.5)
    service.wait_until()
    begun = time.monotonic()
    service.send(signal.SIGTERM)
    assert await asyncio.to_thread(service.wait) == 0
    assert time.monotonic() - begun >= 0.5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_end_lets_requests_finish_first(
    number: signal.Signals, start_service: StartService, tmp_path: Path
) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    service = start_service(
        "--score-when", str(gate), "--log", str(log), drain_timeout_seconds=60, max_batch_rollouts=4
    )
    service.wait_until()
    async with RewardClient.from_url(service.url) as client:
        scoring = asyncio.create_task(client.score(rollouts(20)))
        await until(lambda: len(begun(log)) > 0)
        service.send(number)
        await until(lambda: "Shutting down" in service.printed())
        async with RewardClient.from_url(service.url, timeout_seconds=0.3) as late:
            with pytest.raises(RewardUnavailable):
                await late.score(rollouts(1))
        gate.touch()
        assert [score.status for score in await scoring] == ["scored"] * 20
    assert await asyncio.to_thread(service.wait) == 0
    assert '"drained"' in service.printed()


async def test_what_cannot_finish_in_time_ends_too_and_its_caller_asks_another_replica(
    start_service: StartService, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    stuck = start_service("--score-when", str(tmp_path / "never"), "--log", str(log), drain_timeout_seconds=1)
    stuck.wait_until()
    async with RewardClient.from_url(stuck.url) as client:
        scoring = asyncio.create_task(client.score(rollouts(3)))
        await until(lambda: len(begun(log)) > 0)
        stuck.send(signal.SIGTERM)
        assert await asyncio.to_thread(stuck.wait) == 0
        replica = start_service(port=stuck.port)
        assert [score.status for score in await scoring] == ["scored"] * 3
        assert replica.running


def test_it_listens_only_where_it_was_told(start_service: StartService) -> None:
    service = start_service(port=free_port(), host="127.0.0.1")
    service.wait_until()
    assert f"http://127.0.0.1:{service.port}" in service.printed()
