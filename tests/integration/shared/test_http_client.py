"""`HttpRewardClient` against real services, and against servers that answer anything else."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest

from shared.client import RewardClient
from shared.client.http import MAX_RETRY_AFTER_SECONDS
from shared.errors import InvalidRequest, RewardProtocolError, RewardRejected, RewardUnavailable
from shared.schemas import RewardVersion, Score, ScoreResponse
from tests.conftest import StartService
from tests.integration.shared.conftest import API_KEY
from tests.support.canned_server import canned, http_answer
from tests.support.greetings import rollout, rollouts
from tests.support.processes import Service, free_port
from tests.support.scorers import FAILS, reward_of

JSON = {"Content_Type": "application/json"}
BUSY = http_answer("429 Too Many Requests", b"", Retry_After="1")


def answer_of(*numbers: int) -> bytes:
    """A good answer for the rollouts with these numbers."""
    scores = [
        Score(id=rollout(number).id, status="scored", reward=0.5, version="v", latency_seconds=0) for number in numbers
    ]
    body = ScoreResponse(scores=scores, reward=RewardVersion(name="greetings", version="v")).model_dump_json()
    return http_answer("200 OK", body.encode(), **JSON)


async def test_many_rollouts_are_split_into_requests_and_come_back_in_order(http_service: Service) -> None:
    asked = [rollout(number, FAILS if number % 100 == 7 else "", repeat=1 + number % 9) for number in range(1000)]
    async with RewardClient.from_url(http_service.url, api_key=API_KEY) as client:
        scores = await client.score(asked)
        assert (await client.info()).name == "greetings"
    assert [score.id for score in scores] == [each.id for each in asked]
    for each, score in zip(asked, scores, strict=True):
        assert score.reward == (None if FAILS in each.completion else reward_of(each))


async def test_it_waits_for_a_service_that_is_down_and_comes_up(start_service: StartService) -> None:
    port = free_port()
    async with RewardClient.from_url(f"http://127.0.0.1:{port}") as client:
        scoring = asyncio.create_task(client.score(rollouts(200)))
        await asyncio.sleep(1.0)
        assert not scoring.done()
        start_service(port=port)
        assert {score.status for score in await scoring} == {"scored"}


async def test_it_waits_out_a_restart_in_the_middle(start_service: StartService) -> None:
    service = start_service("--seconds-per-batch", "0.05", max_batch_rollouts=8)
    service.wait_until()
    async with RewardClient.from_url(service.url) as client:
        scoring = asyncio.create_task(client.score(rollouts(600)))
        await asyncio.sleep(0.5)
        service.kill()
        start_service(port=service.port)
        assert {score.status for score in await scoring} == {"scored"}


async def test_it_comes_back_no_sooner_than_a_busy_service_asks() -> None:
    async with canned(BUSY, BUSY, answer_of(1)) as server, RewardClient.from_url(server.url) as client:
        assert (await client.score([rollout(1)]))[0].reward == 0.5
    waits = [later - earlier for earlier, later in zip(server.asked_at, server.asked_at[1:], strict=False)]
    assert len(waits) == 2
    assert min(waits) >= 1.0


async def test_a_key_that_is_refused_is_refused_for_good(http_service: Service) -> None:
    async with RewardClient.from_url(http_service.url, api_key="x" * 32) as client:
        with pytest.raises(RewardRejected) as caught:
            await client.score(rollouts(3))
        with pytest.raises(RewardRejected):
            await client.info()
    assert caught.value.http_status == 401
    assert caught.value.problem is not None
    assert caught.value.problem.code == "unauthorized"
    assert "x" * 32 not in str(caught.value)


async def test_options_that_the_service_does_not_know_are_refused_for_good(http_service: Service) -> None:
    async with RewardClient.from_url(http_service.url, api_key=API_KEY) as client:
        with pytest.raises(RewardRejected, match="unknown options: temperature"):
            await client.score(rollouts(3), {"temperature": 0.7})
        with pytest.raises(InvalidRequest):
            await client.score(rollouts(3), {"temperature": float("nan")})


@pytest.mark.parametrize(
    "answer",
    [
        http_answer("200 OK", b"<html>It works!</html>", Content_Type="text/html"),
        http_answer("200 OK", b"", **JSON),
        http_answer("200 OK", b"[]", **JSON),
        http_answer("200 OK", "祝福".encode("gbk"), **JSON),
        http_answer("200 OK", b'{"scores": [], "reward": {"name": "a", "version": "b"}}', **JSON),
        http_answer("200 OK", b'{"scores": [{"id": "1", "reward": NaN}]}', **JSON),
        http_answer("200 OK", b"no gzip", Content_Encoding="gzip"),
        http_answer("200 OK", gzip.compress(b"{}")[:-6], Content_Encoding="gzip"),
        http_answer("500 Internal Server Error", b"Traceback"),
        answer_of(2),
        answer_of(1, 1),
        answer_of(1, 2),
    ],
    ids=[
        "html",
        "nothing",
        "list",
        "gbk",
        "no-scores",
        "nan",
        "not-gzip",
        "cut-gzip",
        "500",
        "another-id",
        "twice",
        "too-many",
    ],
)
async def test_an_answer_that_breaks_the_contract_is_an_error_at_once_and_never_a_score(answer: bytes) -> None:
    async with canned(answer) as server, RewardClient.from_url(server.url) as client:
        with pytest.raises(RewardProtocolError):
            await client.score([rollout(1)])
    assert len(server.asked_at) == 1


@pytest.mark.parametrize("status", ["301 Moved Permanently", "403 Forbidden", "404 Not Found"])
async def test_what_would_be_refused_again_is_not_asked_again(status: str) -> None:
    refusal = http_answer(status, Location="http://127.0.0.1:9/")
    async with canned(refusal) as server, RewardClient.from_url(server.url) as client:
        with pytest.raises(RewardRejected, match=status[:3]):
            await client.score([rollout(1)])
    assert len(server.asked_at) == 1


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
async def test_what_may_pass_is_asked_again(status: str) -> None:
    async with canned(http_answer(status), answer_of(1)) as server, RewardClient.from_url(server.url) as client:
        assert (await client.score([rollout(1)]))[0].status == "scored"
    assert len(server.asked_at) == 2


async def test_a_connection_that_breaks_off_is_tried_again() -> None:
    good = answer_of(1)
    async with canned(b"", good[:-10], good) as server, RewardClient.from_url(server.url) as client:
        assert (await client.score([rollout(1)]))[0].status == "scored"


async def test_it_gives_up_when_its_time_is_over() -> None:
    begun = time.monotonic()
    async with RewardClient.from_url(f"http://127.0.0.1:{free_port()}", timeout_seconds=1.0) as client:
        with pytest.raises(RewardUnavailable, match="ConnectError"):
            await client.score(rollouts(3))
        with pytest.raises(RewardUnavailable):
            await client.info()
    assert 1.5 < time.monotonic() - begun < MAX_RETRY_AFTER_SECONDS


@pytest.mark.parametrize(
    ("answers", "seconds_between_bytes"),
    [([http_answer("429 Too Many Requests", Retry_After="3600")], 0.0), ([answer_of(1)], 0.2)],
    ids=["asks-to-wait-an-hour", "trickles"],
)
async def test_no_server_can_hold_it_longer_than_its_time(answers: list[bytes], seconds_between_bytes: float) -> None:
    begun = time.monotonic()
    async with (
        canned(*answers, seconds_between_bytes=seconds_between_bytes) as server,
        RewardClient.from_url(server.url, timeout_seconds=1.0) as client,
    ):
        with pytest.raises(RewardUnavailable):
            await client.score([rollout(1)])
    assert time.monotonic() - begun < MAX_RETRY_AFTER_SECONDS / 2


async def test_a_cancelled_call_ends_at_once() -> None:
    async with canned(BUSY) as server, RewardClient.from_url(server.url) as client:
        scoring = asyncio.create_task(client.score(rollouts(300)))
        await asyncio.sleep(0.3)
        scoring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scoring
