"""`LlmClient`: asks any OpenAI-compatible server, within limits, time and tries that are bounded.

What servers take differs where answers shall be JSON of a schema. ``/v1/chat/completions`` takes OpenAI's
``response_format`` everywhere (OpenAI, vLLM, llama.cpp). ``/v1/completions`` has no such parameter at OpenAI;
vLLM takes ``response_format`` there too and passes over ``json_schema``, llama.cpp takes ``json_schema`` and passes
over ``response_format``. So both are sent there; a server that knows neither answers what it likes.

The ``openai`` package sends and names the errors of transport; retries are ours, since each of them needs a permit.
"""

from __future__ import annotations

import asyncio
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import openai

from shared.errors import NotReady
from shared.llm.answers import read_answer, read_body, read_usage
from shared.llm.chat import ChatAnswer, ChatRequest, LlmApi
from shared.llm.errors import LlmFailed, LlmFailureCode, cause_of, quoted
from shared.llm.metrics import LlmMetrics
from shared.llm.openai_client import client_of
from shared.llm.retry_after import retry_after_seconds
from shared.llm.settings import LlmSettings

if TYPE_CHECKING:
    from shared.llm.limits import Limiter, Outcome, Permit

TRIED_AGAIN: frozenset[LlmFailureCode] = frozenset(
    {"llm_timeout", "llm_rate_limited", "llm_server_error", "llm_unreachable"}
)
"""What another request may change, a moment later."""
UNHEALTHY: frozenset[LlmFailureCode] = TRIED_AGAIN - {"llm_rate_limited"} | {"llm_protocol_error"}
"""What tells the circuit breaker that the server is not well. Refusals and rejections are answers; who is asked to wait
by a 429 waits, and that says nothing of the server."""
REFUSAL_CODES = frozenset({"content_filter", "content_policy_violation", "invalid_prompt"})
"""Codes of OpenAI and Azure, with status 400, for a prompt that a filter does not let through."""
FREE_OF_COST: frozenset[LlmFailureCode] = frozenset({"llm_rejected", "llm_rate_limited"})
"""The model was not asked, so that no tokens were spent; after other failures nobody knows."""
HIDDEN_CHARACTERS = 16
"""A message as long as this is taken out of what a server says in its errors; a shorter one says little."""
CONNECT_TIMEOUT_SECONDS = 5.0
CHECK_TIMEOUT_SECONDS = 5.0
MAX_BACKOFF_SECONDS = 30.0


class LlmClient:
    """One model of one server. Safe for any number of tasks of one event loop."""

    def __init__(self, settings: LlmSettings, *, limiter: Limiter, metrics: LlmMetrics) -> None:
        self._settings = settings
        self._limiter = limiter
        self._metrics = metrics
        self._key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else None
        self._openai = client_of(settings.llm_url, self._key)

    @property
    def model(self) -> str:
        """The model that is asked, by the name in the settings."""
        return self._settings.llm_model

    def digest(self, request: ChatRequest, salt: str = "") -> str:
        """The key under which this model's answer to a request is cached; see `ChatRequest.digest`."""
        settings = self._settings
        return request.digest(settings.llm_model, settings.llm_api, settings.llm_extra_body, salt)

    async def ask(self, request: ChatRequest, *, timeout_seconds: float | None = None) -> ChatAnswer:
        """Ask, and ask again where that may help.

        Only 429, 5xx, broken connections and time-outs are tried again, after a wait that doubles, with jitter, and is
        no shorter than the server's Retry-After. Where the wait is longer than the time left, it fails at once.

        Args:
            request: The question.
            timeout_seconds: Longest time for all of it, waits included; by default that of the settings.

        Raises:
            LlmFailed: There is no answer that could be used. It carries what the last try cost, where that is known.
        """
        settings = self._settings
        seconds = settings.llm_total_timeout_seconds if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + seconds
        trouble: LlmFailed | None = None
        tries = 0
        while True:
            permit = await self._permit(request, deadline, trouble)
            try:
                return await self._ask_once(request, permit, deadline)
            except LlmFailed as error:
                trouble = error
            tries += 1
            if trouble.failure_code not in TRIED_AGAIN or tries >= settings.llm_max_tries:
                raise trouble
            await self._back_off(tries, trouble, deadline)
            self._metrics.retries.labels(trouble.failure_code).inc()

    async def check(self) -> None:
        """Raise `NotReady` where the server does not answer, is not well, or does not take the key.

        It is asked for its models; a server that has no such list is well if it says so.
        """
        where = f"the LLM server at {self._settings.llm_url}"
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await self._openai.models.with_raw_response.list(timeout=CHECK_TIMEOUT_SECONDS)
        except openai.APIStatusError as error:
            status = error.status_code
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {
                HTTPStatus.UNAUTHORIZED,
                HTTPStatus.FORBIDDEN,
            }:
                raise NotReady(f"{where} answers {status}{self._said(error, None)}") from None
        except (openai.OpenAIError, TimeoutError) as error:
            raise NotReady(f"{where} does not answer{cause_of(error)}") from None

    async def close(self) -> None:
        """Close all connections. The limiter stays open: others may use it."""
        await self._openai.close()

    async def _permit(self, request: ChatRequest, deadline: float, trouble: LlmFailed | None) -> Permit:
        """The right to send a request; ``trouble`` is what came of the one before, if there was one."""
        seconds = max(0.0, min(self._settings.llm_limit_wait_seconds, deadline - time.monotonic()))
        began = time.monotonic()
        try:
            return await self._limiter.acquire(
                request.estimated_tokens, retry=trouble is not None, timeout_seconds=seconds
            )
        except LlmFailed as refusal:
            if trouble is None:
                raise
            raise trouble from refusal  # what the server did is why there is no answer
        finally:
            self._metrics.rate_limited_seconds.inc(time.monotonic() - began)
            self._metrics.circuit_open.set(self._limiter.circuit_open)

    async def _ask_once(self, request: ChatRequest, permit: Permit, deadline: float) -> ChatAnswer:
        """Send one request; whatever comes of it, its permit ends and the metrics have it."""
        began = time.monotonic()
        outcome: str = "error"
        health: Outcome = "ignored"
        tokens: int | None = None
        try:
            answer = await self._send(request, deadline)
            outcome, health, tokens = "ok", "ok", answer.usage.total_tokens
            return answer
        except LlmFailed as error:
            outcome = error.failure_code
            if error.failure_code != "llm_rate_limited":
                health = "failed" if error.failure_code in UNHEALTHY else "ok"
            if error.usage is not None:
                tokens = error.usage.prompt_tokens + error.usage.completion_tokens
            elif error.failure_code in FREE_OF_COST:
                tokens = 0
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._metrics.requests.labels(outcome).inc()
            self._metrics.latency_seconds.observe(time.monotonic() - began)
            await permit.finish(tokens, health)
            self._metrics.circuit_open.set(self._limiter.circuit_open)

    async def _send(self, request: ChatRequest, deadline: float) -> ChatAnswer:
        seconds = max(0.001, min(self._settings.llm_timeout_seconds, deadline - time.monotonic()))
        try:
            async with asyncio.timeout(seconds):  # httpx' own limits are for each read: an answer may trickle in
                content = await self._post(request, seconds)
        except (TimeoutError, openai.APITimeoutError):
            raise LlmFailed(f"the LLM did not answer within {seconds:g} s", code="llm_timeout") from None
        except openai.APIStatusError as error:
            raise self._status_failure(error, request) from None
        except openai.APIConnectionError as error:
            raise LlmFailed(f"no connection to the LLM server{cause_of(error)}", code="llm_unreachable") from None
        hidden = self._hidden(request)
        body = read_body(content, hidden)
        usage = read_usage(body, hidden)
        self._metrics.count_usage(usage)
        return read_answer(body, usage, request, self._settings.llm_api, hidden)

    async def _post(self, request: ChatRequest, seconds: float) -> bytes:
        settings = self._settings
        timeout = openai.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_SECONDS))
        merged = {**parameters(request, settings.llm_api), **settings.llm_extra_body}
        body = {name: value for name, value in merged.items() if value is not None}
        if settings.llm_api == "chat":
            messages: Any = [{"role": message.role, "content": message.content} for message in request.messages]
            answered = await self._openai.chat.completions.with_raw_response.create(
                model=settings.llm_model, messages=messages, extra_body=body, timeout=timeout
            )
            return answered.http_response.content
        continued = await self._openai.completions.with_raw_response.create(
            model=settings.llm_model, prompt=request.prompt, extra_body=body, timeout=timeout
        )
        return continued.http_response.content

    async def _back_off(self, tries: int, trouble: LlmFailed, deadline: float) -> None:
        """Wait before the next try, or raise ``trouble`` where there is no time for that."""
        first = self._settings.llm_retry_wait_seconds
        seconds = min(MAX_BACKOFF_SECONDS, first * 2 ** (tries - 1))
        asked = trouble.retry_after_seconds
        # The jitter comes on top: all that were sent away together would else come back together.
        seconds = max(seconds, asked or 0.0) + random.uniform(0, max(seconds, first))
        if seconds >= deadline - time.monotonic():
            raise trouble
        if asked is not None:
            self._metrics.rate_limited_seconds.inc(seconds)
        await asyncio.sleep(seconds)

    def _status_failure(self, error: openai.APIStatusError, request: ChatRequest) -> LlmFailed:
        status = error.status_code
        code: LlmFailureCode
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            code = "llm_rate_limited"
        elif status == HTTPStatus.REQUEST_TIMEOUT:
            code = "llm_timeout"
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            code = "llm_server_error"
        elif error.code in REFUSAL_CODES:
            code = "llm_refused"
        else:
            code = "llm_rejected"
        return LlmFailed(
            f"the LLM server answered {status}{self._said(error, request)}",
            code=code,
            retry_after_seconds=retry_after_seconds(error.response.headers),
        )

    def _said(self, error: openai.APIStatusError, request: ChatRequest | None) -> str:
        """A server's own words, without the key and without the prompt."""
        body = error.body
        words = body.get("message") or body.get("detail") if isinstance(body, dict) else body
        if not isinstance(words, str) or not words.strip():
            return ""
        return f": '{quoted(words, hidden=self._hidden(request))}'"

    def _hidden(self, request: ChatRequest | None) -> list[str]:
        """What no error may quote."""
        contents = [message.content for message in request.messages] if request else []
        keys = [] if self._key is None else [self._key]
        return keys + [content for content in contents if len(content) >= HIDDEN_CHARACTERS]


def parameters(request: ChatRequest, api: LlmApi) -> dict[str, Any]:
    """The body of a request but for model and text; None stands for a parameter that is not sent."""
    body: dict[str, Any] = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop) or None,
    }
    if request.top_logprobs and api == "chat":
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    elif request.top_logprobs:
        body["logprobs"] = request.top_logprobs
    if request.json_schema is not None:
        schema = dict(request.json_schema)
        named = {"name": request.schema_name, "schema": schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
        if api == "completions":
            body["json_schema"] = schema
    return body
