"""The relay between real servers: what it passes on, to whom, and how it ends whatever the other side does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.errors import PROBLEM_MEDIA_TYPE, Problem
from shared.http.events import EVENT_STREAM
from shared.playground.relay import MAX_ANSWER_BYTES, MAX_REQUESTS, Relay
from shared.schemas import RewardInfo, ScoreResponse
from tests.conftest import StartService
from tests.support.canned_server import canned, http_answer
from tests.support.greetings import rollout
from tests.support.processes import Service
from tests.support.stream_server import serving
from tests.support.waiting import until

KEY, OTHER_KEY = "a-key-of-this-service", "a-key-of-the-other-one"
JSON = {"Content-Type": "application/json"}
SCORE = "/playground/rewards/other/v1/score"
EVALUATE = "/playground/rewards/other/v1/evaluate"


def body() -> bytes:
    return json.dumps({"rollouts": [rollout(1).model_dump()]}).encode()


def asking(service: Service, key: str = "") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(base_url=service.url, headers={**JSON, **headers}, timeout=60, trust_env=False)


def relaying(start_service: StartService, url: str, **settings: Any) -> Service:
    """A ready service whose page may ask ``other`` at a URL."""
    service = start_service(playground_rewards=f"other={url}", **settings)
    service.wait_until()
    return service


async def refusal(service: Service, path: str = SCORE) -> Problem:
    """Of a relayed request that gets none of the other service's answers."""
    async with asking(service) as client:
        answer = await client.post(path, content=body())
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == answer.status_code
    assert "127.0.0.1" not in answer.text, "where the other service is, is nobody's business"
    return problem


# What it passes on


async def test_the_other_services_answers_and_refusals_come_through(start_service: StartService) -> None:
    other = start_service(max_rollouts_per_request=1)
    service = relaying(start_service, f"{other.url}/")
    other.wait_until()
    async with asking(service) as client:
        info = await client.get("/playground/rewards/other/v1/reward")
        assert RewardInfo.model_validate_json(info.content).name == "greetings"
        assert (await client.get("/playground/rewards/other/v1/distribution")).json()["statuses"]["scored"] == 0
        answer = await client.post(SCORE, content=body(), headers={"X-Request-ID": "page-7"})
        assert ScoreResponse.model_validate_json(answer.content).scores[0].status == "scored"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        two = {"rollouts": [rollout(number).model_dump() for number in (1, 2)]}
        refused = await client.post(SCORE, json=two)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert (await client.post(EVALUATE, content=body())).status_code == 404, "this one has no such route"
    other.wait_for_event(event="request", path="/v1/score", request_id="page-7")


async def test_both_services_check_the_key_and_neither_lends_one(start_service: StartService) -> None:
    same = start_service(api_keys=KEY)
    service = relaying(start_service, same.url, api_keys=KEY)
    same.wait_until()
    async with asking(service, KEY) as client:
        assert (await client.post(SCORE, content=body())).status_code == 200
        assert (await client.get(SCORE.replace("score", "reward"))).status_code == 200
    for key in ("", OTHER_KEY):
        async with asking(service, key) as client:
            assert (await client.post(SCORE, content=body())).status_code == 401
            assert (await client.get(SCORE.replace("score", "distribution"))).status_code == 401
    assert "/v1/score" in same.printed()
    requests = same.printed().count('"event": "request"')
    assert requests == 2, "whom this service refuses never reaches the other one"


async def test_a_key_that_only_this_service_knows_opens_no_other(start_service: StartService) -> None:
    other = start_service(api_keys=OTHER_KEY)
    service = relaying(start_service, other.url, api_keys=f"{KEY},{OTHER_KEY}")
    other.wait_until()
    async with asking(service, KEY) as client:
        assert (await client.post(SCORE, content=body())).status_code == 401
    async with asking(service, OTHER_KEY) as client:
        assert (await client.post(SCORE, content=body())).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/playground/rewards/another/v1/score",
        "/playground/rewards/http:%2f%2f127.0.0.1/v1/score",
        "/playground/rewards/other/v1/checkpoint",
        "/playground/rewards/other/metrics",
        "/playground/rewards/other/v1/score/..%2f..%2fmetrics",
    ],
)
async def test_nothing_else_is_reached(path: str, start_service: StartService) -> None:
    async with canned(http_answer("200 OK", b"{}", Content_Type="application/json")) as other:
        service = relaying(start_service, other.url)
        async with asking(service) as client:
            assert (await client.post(path, content=body())).status_code == 404
            assert (await client.put(SCORE, content=body())).status_code == 405
            form = await client.post(SCORE, content=body(), headers={"Content-Type": "text/plain"})
            assert form.status_code == 415
        assert other.asked_at == []


async def test_only_key_and_body_are_passed_on(start_service: StartService) -> None:
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(http_answer("200 OK", b"{}", Content_Type="application/json", Set_Cookie="a=b", X_Odd="1"))
        await writer.drain()
        writer.close()

    async with serving(handle) as url:
        service = relaying(start_service, url)
        async with asking(service, KEY) as client:
            headers = {
                "Cookie": "session=1",
                "Origin": "http://page",
                "Referer": "http://page/",
                "X-Forwarded-For": "a",
            }
            answer = await client.post(SCORE, content=body(), headers=headers)
    assert answer.status_code == 200
    assert not {"set-cookie", "x-odd"} & answer.headers.keys()
    names = {line.split(b":")[0].lower() for line in heads[0].split(b"\r\n")[1:] if line}
    assert names == {
        *(b"host", b"accept", b"accept-encoding", b"connection", b"user-agent"),
        *(b"authorization", b"content-length", b"content-type", b"x-request-id"),
    }


# What the other side may do


@pytest.mark.parametrize(
    "answer",
    [
        http_answer("200 OK", b"<script>alert(1)</script>", Content_Type="text/html"),
        http_answer("302 Found", b"", Location="http://127.0.0.1:1/"),
        http_answer("307 Temporary Redirect", b"", Location="http://127.0.0.1:1/"),
        http_answer("200 OK", b"{}", Content_Type="application/json", Content_Encoding="gzip"),
        http_answer("200 OK", b" " * (MAX_ANSWER_BYTES + 1), Content_Type="application/json"),
    ],
    ids=["page", "found", "redirect", "no-gzip", "too-long"],
)
async def test_what_is_no_answer_of_ours_is_refused(answer: bytes, start_service: StartService) -> None:
    async with canned(answer) as other:
        problem = await refusal(relaying(start_service, other.url))
    assert (problem.status, problem.code) == (502, "reward_protocol_error")


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: application/json\r\n\r\n{"]
)
async def test_a_service_that_is_away_or_breaks_off_is_told_as_such(answer: bytes, start_service: StartService) -> None:
    async with canned(answer) as other:
        service = relaying(start_service, other.url)
        assert (await refusal(service)).code == "reward_unavailable"
    assert (await refusal(service)).code == "reward_unavailable", "nobody listens there any more"


async def test_when_to_ask_again_comes_through(start_service: StartService) -> None:
    busy = http_answer("429 Too Many Requests", b"{}", Content_Type=PROBLEM_MEDIA_TYPE, Retry_After="7")
    async with canned(busy) as other:
        service = relaying(start_service, other.url)
        async with asking(service) as client:
            answer = await client.post(SCORE, content=body())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


async def test_every_wait_ends(start_service: StartService) -> None:
    answer = http_answer("200 OK", b" " * 1000, Content_Type="application/json")
    async with canned(answer, seconds_between_bytes=0.1) as other:
        service = relaying(start_service, other.url, playground_timeout_seconds=0.6)
        assert (await refusal(service)).code == "deadline_expired"


async def test_no_more_than_so_many_are_under_way(start_service: StartService, tmp_path: Path) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    other = start_service("--score-when", str(gate), "--log", str(log))
    service = relaying(start_service, other.url)
    other.wait_until()
    async with asking(service) as client:
        waiting = [asyncio.create_task(client.post(SCORE, content=body())) for _ in range(MAX_REQUESTS)]
        await until(lambda: other.metrics()['zhufu_batch_size_count{reward="greetings"}'] >= 1)
        one_more = await refused_one_more(client)
        assert (one_more.status_code, one_more.json()["code"]) == (429, "overloaded")
        gate.touch()
        assert {task.status_code for task in await asyncio.gather(*waiting)} == {200}
        assert (await client.post(SCORE, content=body())).status_code == 200


async def refused_one_more(client: httpx.AsyncClient) -> httpx.Response:
    """The first answer that is not 200, when all who were sent before have come."""
    for _ in range(600):
        answer = await client.get(SCORE.replace("score", "distribution"))
        if answer.status_code != 200:
            break
        await asyncio.sleep(0.05)
    return answer


async def test_when_the_caller_goes_the_other_service_is_let_go(start_service: StartService) -> None:
    left = asyncio.Event()
    asked = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        left.set()

    async with serving(handle) as url:
        service = relaying(start_service, url)
        async with asking(service) as client:
            leaving = asyncio.create_task(client.post(SCORE, content=body()))
            async with asyncio.timeout(30):
                await asked.wait()
                leaving.cancel()
                await left.wait()
            await asyncio.gather(leaving, return_exceptions=True)
    service.wait_for_event(event="request", path=SCORE, status=499)


# Events


def streamed(*parts: bytes) -> Any:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /v1/evaluate ")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {EVENT_STREAM}\r\nConnection: close\r\n\r\n".encode())
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.close()

    return handle


async def test_events_come_through_as_they_are_sent_and_only_whole_ones(start_service: StartService) -> None:
    parts = [b"event: step\ndata: 1\n", b"\nevent: st", b"ep\ndata: 2\n\nevent: score\nda", b"ta: 3\n\nevent: cut"]
    async with serving(streamed(*parts)) as url:
        service = relaying(start_service, url)
        async with asking(service) as client, client.stream("POST", EVALUATE, content=body()) as answer:
            assert answer.headers["content-type"].startswith(EVENT_STREAM)
            assert answer.headers["cache-control"] == "no-store"
            told = b"".join([part async for part in answer.aiter_raw()])
    assert told == b"event: step\ndata: 1\n\nevent: step\ndata: 2\n\nevent: score\ndata: 3\n\n"


async def test_a_stream_that_falls_silent_ends_with_the_problem(start_service: StartService) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {EVENT_STREAM}\r\n\r\nevent: step\ndata: 1\n\n".encode())
        await writer.drain()
        await asyncio.sleep(60)

    async with serving(handle) as url:
        service = relaying(start_service, url, playground_timeout_seconds=0.7)
        async with asking(service) as client, client.stream("POST", EVALUATE, content=body()) as answer:
            told = (await answer.aread()).decode()
    first, last = told.strip().split("\n\n")
    assert first == "event: step\ndata: 1"
    assert last.startswith("event: problem\ndata: ")
    assert Problem.model_validate_json(last.partition("data: ")[2]).code == "deadline_expired"


async def test_a_stream_without_end_is_cut(start_service: StartService) -> None:
    async with serving(streamed(b"data: " + b"x" * (MAX_ANSWER_BYTES + 1))) as url:
        service = relaying(start_service, url)
        async with asking(service) as client:
            told = (await client.post(EVALUATE, content=body())).text
    assert told.startswith("event: problem")
    assert "reward_protocol_error" in told


async def test_a_relay_without_rewards_opens_no_connections() -> None:
    async with Relay({}, timeout_seconds=1, max_body_bytes=1) as relay:
        assert relay.names == ()
