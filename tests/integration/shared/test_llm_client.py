"""`LlmClient` against a real HTTP server, one that behaves and one that does not."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from shared.errors import NotReady
from shared.llm.chat import ChatRequest, LlmApi, LlmUsage, Message
from shared.llm.client import LlmClient
from shared.llm.errors import RETRYABLE, LlmFailed
from shared.llm.limits import Limiter, LimitSettings, LocalLimiter, Outcome, Permit
from shared.llm.metrics import LlmMetrics
from shared.llm.openai_client import IDLE_SECONDS
from shared.llm.settings import LlmSettings
from shared.schemas import Usage
from tests.support.llm_server import (
    LABELS,
    MISBEHAVIOURS,
    LlmServer,
    Reply,
    chat_logprobs,
    failing,
    fitting,
    hangs,
    rate_limited,
    said,
)
from tests.support.processes import free_port
from tests.support.waiting import GENEROUS_SECONDS, until

PROMPT = "给外婆写一句生日祝福，二十个字以内，要温暖真诚。"
LABEL = ChatRequest(
    messages=(Message(role="system", content="你是评委。"), Message(role="user", content=PROMPT)),
    max_tokens=1,
    top_logprobs=5,
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"verdict": {"type": "integer", "enum": [0, 1]}},
    "required": ["verdict"],
    "additionalProperties": False,
}
JSON_ANSWER = ChatRequest(messages=LABEL.messages, max_tokens=32, json_schema=SCHEMA)
KEY = "sk-very-secret-key"


class RecordingPermit:
    """A permit that says how it ended; ``ends`` is empty while it is held."""

    waited_seconds = 0.0

    def __init__(self, retry: bool) -> None:
        self.retry = retry
        self.ends: list[tuple[int | None, str]] = []

    async def finish(self, tokens: int | None, outcome: Outcome) -> None:
        self.ends.append((tokens, outcome))

    async def give_back(self) -> None:
        self.ends.append((None, "given back"))


class RecordingLimiter:
    """Gives every permit and keeps it in mind; from ``refuses_after`` on it gives none."""

    circuit_open = False

    def __init__(self, refuses_after: int = 1000) -> None:
        self.permits: list[RecordingPermit] = []
        self._refuses_after = refuses_after

    async def acquire(self, tokens: int, *, retry: bool = False, timeout_seconds: float) -> Permit:
        assert tokens > 0
        if len(self.permits) >= self._refuses_after:
            raise LlmFailed("no permit", code="llm_limit_wait")
        self.permits.append(RecordingPermit(retry))
        return self.permits[-1]

    async def close(self) -> None:
        pass


class Metrics(LlmMetrics):
    """Metrics that a test reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        super().__init__(self.registry)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def tokens(self) -> tuple[float, ...]:
        return tuple(
            self.value("zhufu_llm_tokens_total", kind=kind) for kind in ("prompt", "cached_prompt", "completion")
        )


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with LlmServer() as running:
        yield running


@contextlib.asynccontextmanager
async def client_of(
    url: str, *, limiter: Limiter | None = None, metrics: Metrics | None = None, **changes: Any
) -> AsyncIterator[LlmClient]:
    values = {"llm_url": url, "llm_model": "test-model", "llm_retry_wait_seconds": 0.0, **changes}
    client = LlmClient(
        LlmSettings.model_validate(values),
        limiter=limiter or LocalLimiter(LimitSettings()),
        metrics=metrics or Metrics(),
    )
    try:
        yield client
    finally:
        await client.close()


async def failure(client: LlmClient, request: ChatRequest = JSON_ANSWER, **asked: Any) -> LlmFailed:
    with pytest.raises(LlmFailed) as caught:
        async with asyncio.timeout(GENEROUS_SECONDS):
            await client.ask(request, **asked)
    return caught.value


# Connections


async def test_a_connection_is_given_up_before_the_server_gives_it_up(server: LlmServer) -> None:
    assert 0.6 * uvicorn.Config("none").timeout_keep_alive > IDLE_SECONDS
    async with client_of(server.url) as client:
        for seconds in (0.0, 0.1, IDLE_SECONDS + 0.2):
            await asyncio.sleep(seconds)
            await client.ask(JSON_ANSWER)
    first, second, after_a_while = (asked.port for asked in server.requests)
    assert first == second != after_a_while


# Answers


@pytest.mark.parametrize("api", ["chat", "completions"])
async def test_an_answer_comes_with_its_logprobs_and_what_it_cost(server: LlmServer, api: LlmApi) -> None:
    metrics, limiter = Metrics(), RecordingLimiter()
    async with client_of(server.url, limiter=limiter, metrics=metrics, llm_api=api) as client:
        answer = await client.ask(LABEL)
    assert answer.text == "1"
    assert dict(answer.tokens[0].top) == LABELS
    assert answer.usage == LlmUsage(prompt_tokens=40, cached_prompt_tokens=32, completion_tokens=1)
    assert metrics.tokens() == (40, 32, 1)
    assert metrics.value("zhufu_llm_requests_total", outcome="ok") == 1
    assert metrics.value("zhufu_llm_latency_seconds_count") == 1
    assert [permit.ends for permit in limiter.permits] == [[(41, "ok")]]


async def test_a_chat_is_sent_as_messages_and_a_base_model_gets_one_text(server: LlmServer) -> None:
    async with client_of(server.url) as chat, client_of(server.url, llm_api="completions") as base:
        await chat.ask(LABEL)
        await base.ask(LABEL)
    first, second = server.requests
    assert first.path == "/v1/chat/completions"
    assert first.body == {
        "model": "test-model",
        "messages": [{"role": "system", "content": "你是评委。"}, {"role": "user", "content": PROMPT}],
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": True,
        "top_logprobs": 5,
    }
    assert second.path == "/v1/completions"
    assert second.body == {
        "model": "test-model",
        "prompt": f"你是评委。\n\n{PROMPT}",
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": 5,
    }


@pytest.mark.parametrize("api", ["chat", "completions"])
async def test_a_schema_is_asked_for_and_answered(server: LlmServer, api: LlmApi) -> None:
    async with client_of(server.url, llm_api=api) as client:
        answer = await client.ask(JSON_ANSWER)
    assert answer.text == '{"verdict": 1}'
    assert server.requests[0].body["response_format"]["json_schema"]["strict"] is True


async def test_llama_cpp_writes_logprobs_of_completions_as_those_of_chat(server: LlmServer) -> None:
    logprobs = chat_logprobs([("1", -0.2, LABELS)])
    body = {
        "model": "gemma",
        "choices": [{"text": "1", "index": 0, "logprobs": logprobs, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 1},
    }
    server.replies(Reply(body=body))
    async with client_of(server.url, llm_api="completions") as client:
        answer = await client.ask(LABEL)
    assert dict(answer.tokens[0].top) == LABELS


async def test_the_extra_body_goes_over_what_is_sent_and_null_takes_out(server: LlmServer) -> None:
    extra = {"max_tokens": None, "max_completion_tokens": 64, "top_k": 1, "chat_template_kwargs": {"thinking": False}}
    async with client_of(server.url, llm_extra_body=extra) as client:
        await client.ask(LABEL)
    body = server.requests[0].body
    assert "max_tokens" not in body
    assert {name: body[name] for name in extra if name != "max_tokens"} == {
        name: value for name, value in extra.items() if name != "max_tokens"
    }


async def test_only_the_key_of_the_settings_is_sent(server: LlmServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-server")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-server")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-another-server")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-of-another-server")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with client_of(server.url, llm_api_key=KEY) as with_key, client_of(server.url) as without:
        await with_key.ask(LABEL)
        await without.ask(LABEL)
    first, second = server.requests
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert second.headers["authorization"] == "Bearer no-key"
    assert "another-server" not in f"{first.headers} {second.headers}"


# Failures


@pytest.mark.parametrize("kind", MISBEHAVIOURS)
@pytest.mark.parametrize("api", ["chat", "completions"])
async def test_every_misbehaviour_is_a_failure_of_its_own_kind(server: LlmServer, kind: str, api: LlmApi) -> None:
    reply, code = MISBEHAVIOURS[kind]
    if api == "completions" and kind == "refused":
        pytest.skip("/v1/completions has no field for a refusal")
    server.replies(reply)
    metrics, limiter = Metrics(), RecordingLimiter()
    seconds = 0.3 if reply.hangs else 30.0
    async with client_of(
        server.url, limiter=limiter, metrics=metrics, llm_api=api, llm_max_tries=1, llm_timeout_seconds=seconds
    ) as client:
        error = await failure(client)
    assert error.failure_code == code
    assert error.may_retry is (code in RETRYABLE)
    assert metrics.value("zhufu_llm_requests_total", outcome=code) == 1
    (permit,) = limiter.permits
    ((_, outcome),) = permit.ends
    answers = {"llm_rejected": "ok", "llm_refused": "ok", "llm_truncated": "ok", "llm_rate_limited": "ignored"}
    assert outcome == answers.get(code, "failed")


@pytest.mark.parametrize("kind", ["refused", "filtered", "truncated", "null content"])
async def test_tokens_are_counted_though_the_answer_is_of_no_use(server: LlmServer, kind: str) -> None:
    server.replies(MISBEHAVIOURS[kind][0])
    metrics, limiter = Metrics(), RecordingLimiter()
    async with client_of(server.url, limiter=limiter, metrics=metrics) as client:
        error = await failure(client)
    assert error.usage == Usage(prompt_tokens=40, completion_tokens=3)
    assert metrics.tokens() == (40, 32, 3)
    assert limiter.permits[0].ends[0][0] == 43


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413, 422])
async def test_what_a_server_does_not_take_is_not_sent_again(server: LlmServer, status: int) -> None:
    server.replies(failing(status, headers={"Location": "http://127.0.0.1:9/"}), fitting({}))
    limiter = RecordingLimiter()
    async with client_of(server.url, limiter=limiter) as client:
        error = await failure(client)
    assert (error.failure_code, error.may_retry) == ("llm_rejected", False)
    assert len(server.requests) == 1
    assert limiter.permits[0].ends == [(0, "ok")]


@pytest.mark.parametrize("kind", ["400", "refused", "filtered", "truncated", "HTML", "no choices", "null content"])
async def test_an_answer_of_no_use_is_not_asked_for_again(server: LlmServer, kind: str) -> None:
    server.replies(MISBEHAVIOURS[kind][0], said('{"verdict": 1}'))
    async with client_of(server.url) as client:
        await failure(client)
    assert len(server.requests) == 1


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with client_of(f"http://127.0.0.1:{free_port()}/v1") as client:
        error = await failure(client)
    assert (error.failure_code, error.may_retry) == ("llm_unreachable", True)
    assert "ConnectError" in error.detail


async def test_logprobs_that_are_missing_or_no_numbers_are_a_protocol_error(server: LlmServer) -> None:
    bad = said("1", tokens=[("1", float("nan"), {"1": -0.1})])
    server.replies(Reply(body=b'{"model": NaN}'), bad, said("1", tokens=[]), said("1", top={}))
    async with client_of(server.url) as client:
        for _ in range(4):
            assert (await failure(client, LABEL)).failure_code == "llm_protocol_error"


# Retries


@pytest.mark.parametrize("kind", ["429 without Retry-After", "500", "503", "connection breaks", "hangs"])
async def test_what_may_pass_is_tried_again_with_a_permit_of_its_own(server: LlmServer, kind: str) -> None:
    reply, code = MISBEHAVIOURS[kind]
    server.replies(reply, reply, said('{"verdict": 1}'))
    metrics, limiter = Metrics(), RecordingLimiter()
    async with client_of(
        server.url, limiter=limiter, metrics=metrics, llm_timeout_seconds=1.0 if reply.hangs else 30.0
    ) as client:
        answer = await client.ask(JSON_ANSWER)
    assert answer.text == '{"verdict": 1}'
    assert metrics.value("zhufu_llm_retries_total", reason=code) == 2
    assert [permit.retry for permit in limiter.permits] == [False, True, True]
    outcomes = [permit.ends[0][1] for permit in limiter.permits]
    assert outcomes == [*2 * ["ignored" if code == "llm_rate_limited" else "failed"], "ok"]


async def test_tries_have_an_end(server: LlmServer) -> None:
    server.replies(failing(500))
    async with client_of(server.url, llm_max_tries=4) as client:
        error = await failure(client)
    assert error.failure_code == "llm_server_error"
    assert len(server.requests) == 4


async def test_waits_between_tries_double_and_differ(server: LlmServer) -> None:
    server.replies(failing(500))
    async with client_of(server.url, llm_max_tries=3, llm_retry_wait_seconds=0.2) as client:
        for _ in range(3):
            await failure(client)
    times = [asked.at for asked in server.requests]
    assert len(times) == 9
    first, second = ([times[start + n] - times[start + n - 1] for start in (0, 3, 6)] for n in (1, 2))
    assert min(first) >= 0.19
    assert min(second) >= 0.39
    assert max(first) - min(first) > 0.0005, "those that fail together would come back together"


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_for(server: LlmServer, status: int, form: str) -> None:
    # A date has whole seconds, so that of two seconds at least one is left.
    value = "1" if form == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)
    server.replies(failing(status, headers={"Retry-After": value}), said('{"verdict": 1}'))
    metrics = Metrics()
    async with client_of(server.url, metrics=metrics) as client:
        await client.ask(JSON_ANSWER)
    first, second = server.requests
    assert second.at - first.at >= 0.95
    assert metrics.value("zhufu_rate_limited_seconds_total") >= 0.95


@pytest.mark.parametrize("value", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
async def test_a_retry_after_beyond_the_time_left_fails_at_once(server: LlmServer, value: str) -> None:
    server.replies(rate_limited(value))
    async with client_of(server.url) as client:
        error = await failure(client, timeout_seconds=30.0)
    assert (error.failure_code, error.may_retry) == ("llm_rate_limited", True)
    assert error.retry_after_seconds is not None
    assert error.retry_after_seconds >= 3600
    assert len(server.requests) == 1


async def test_a_retry_that_gets_no_permit_fails_for_what_was_wrong_before(server: LlmServer) -> None:
    server.replies(failing(500, "out of memory"))
    async with client_of(server.url, limiter=RecordingLimiter(refuses_after=1)) as client:
        error = await failure(client)
    assert error.failure_code == "llm_server_error"
    assert isinstance(error.__cause__, LlmFailed)
    assert error.__cause__.failure_code == "llm_limit_wait"


async def test_without_a_permit_nothing_is_sent(server: LlmServer) -> None:
    async with client_of(server.url, limiter=RecordingLimiter(refuses_after=0)) as client:
        error = await failure(client)
    assert error.failure_code == "llm_limit_wait"
    assert not server.requests


# Time


async def test_a_question_has_a_time_limit_in_all(server: LlmServer) -> None:
    server.replies(hangs())
    began = time.monotonic()
    async with client_of(server.url, llm_timeout_seconds=0.4, llm_max_tries=10) as client:
        error = await failure(client, timeout_seconds=1.0)
    assert error.failure_code == "llm_timeout"
    assert time.monotonic() - began < GENEROUS_SECONDS / 2
    assert len(server.requests) <= 3


async def test_an_answer_that_trickles_in_is_cut_at_the_time_limit(server: LlmServer) -> None:
    server.replies(said('{"verdict": 1}', seconds_between_bytes=0.05))
    async with client_of(server.url, llm_timeout_seconds=0.5, llm_max_tries=1) as client:
        error = await failure(client)
    assert error.failure_code == "llm_timeout"


async def test_a_slow_answer_within_the_limit_is_an_answer(server: LlmServer) -> None:
    server.replies(said('{"verdict": 1}', delay_seconds=0.3))
    async with client_of(server.url) as client:
        assert (await client.ask(JSON_ANSWER)).text == '{"verdict": 1}'


async def test_the_wait_for_a_permit_counts(server: LlmServer) -> None:
    server.replies(hangs())
    limiter = LocalLimiter(LimitSettings(max_in_flight=1))
    async with client_of(server.url, limiter=limiter, llm_limit_wait_seconds=0.2) as client:
        first = asyncio.create_task(client.ask(LABEL))
        await until(lambda: len(server.requests) == 1)
        error = await failure(client)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    assert error.failure_code == "llm_limit_wait"
    assert len(server.requests) == 1


async def test_a_question_that_is_dropped_gives_its_permit_back(server: LlmServer) -> None:
    server.replies(hangs())
    metrics, limiter = Metrics(), RecordingLimiter()
    async with client_of(server.url, limiter=limiter, metrics=metrics) as client:
        asking = asyncio.create_task(client.ask(LABEL))
        await until(lambda: len(server.requests) == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert limiter.permits[0].ends == [(None, "ignored")]
    assert metrics.value("zhufu_llm_requests_total", outcome="cancelled") == 1


async def test_many_questions_at_once_are_all_answered(server: LlmServer) -> None:
    metrics = Metrics()
    async with client_of(server.url, limiter=LocalLimiter(LimitSettings(max_in_flight=8)), metrics=metrics) as client:
        answers = await asyncio.gather(*(client.ask(LABEL) for _ in range(100)))
    assert [answer.text for answer in answers] == ["1"] * 100
    assert server.most_under_way <= 8
    assert metrics.value("zhufu_rate_limited_seconds_total") > 0


# Secrets


@pytest.mark.parametrize(
    "reply",
    [
        failing(401, f"Incorrect API key provided: {KEY}"),
        failing(400, f"bad prompt: {PROMPT}"),
        failing(500, f"{'x' * 190}{KEY} {PROMPT}"),
        Reply(status=502, body=f"<html>{KEY} {PROMPT}</html>".encode()),
        Reply(body=f"<html>{KEY} {PROMPT}</html>".encode()),
        Reply(body={"error": {"message": f"{KEY} {'福' * 5000}"}}),
        said(None, refusal=f"I will not use {KEY}"),
        failing(500, f"\x1b[31m{'word ' * 1000}"),
    ],
)
async def test_errors_quote_neither_key_nor_prompt_and_little_else(
    server: LlmServer, reply: Reply, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    server.replies(reply)
    async with client_of(server.url, llm_api_key=KEY, llm_max_tries=2) as client:
        error = await failure(client)
    for text in (error.detail, caplog.text, *capsys.readouterr()):
        assert KEY not in text
        assert KEY[:12] not in text
        assert PROMPT not in text
    assert len(error.detail) < 400
    assert error.detail.isprintable()


# Readiness


async def test_a_server_that_lists_its_models_is_ready(server: LlmServer) -> None:
    async with client_of(server.url) as client:
        await client.check()


@pytest.mark.parametrize("status", [404, 405, 429])
async def test_a_server_without_a_list_of_models_is_ready(server: LlmServer, status: int) -> None:
    server.models(failing(status))
    async with client_of(server.url) as client:
        await client.check()


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_a_server_that_is_not_well_or_knows_no_such_key_is_not_ready(server: LlmServer, status: int) -> None:
    server.models(failing(status, f"Loading model, {KEY}"))
    async with client_of(server.url, llm_api_key=KEY) as client:
        with pytest.raises(NotReady, match=f"answers {status}: 'Loading model") as caught:
            await client.check()
    assert KEY not in caught.value.detail


async def test_a_server_that_is_not_there_is_not_ready() -> None:
    async with client_of(f"http://127.0.0.1:{free_port()}/v1") as client:
        with pytest.raises(NotReady, match="does not answer"):
            await client.check()
