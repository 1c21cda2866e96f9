"""A reward over HTTP: splits what is asked into requests, honours 429, and waits out an outage."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import httpx
import stamina
from pydantic import BaseModel, JsonValue, ValidationError

from shared.client.base import DEFAULT_TIMEOUT_SECONDS, RewardClient, check_request, is_header_value
from shared.errors import InvalidRequest, InvalidUrl, Problem, RewardProtocolError, RewardRejected, RewardUnavailable
from shared.schemas import RewardInfo, Rollout, Score, ScoreRequest, ScoreResponse

Model = TypeVar("Model", bound=BaseModel)

ROLLOUTS_PER_REQUEST = 64
CHARACTERS_PER_REQUEST = 500_000
CONCURRENT_REQUESTS = 8
CONNECT_TIMEOUT_SECONDS = 5.0
MAX_RETRY_AFTER_SECONDS = 30.0
INFO_TIMEOUT_SECONDS = 10.0
KEEPALIVE_IDLE_SECONDS = 15
"""After this silence the system asks whether the other machine still knows of the connection."""
KEEPALIVE_INTERVAL_SECONDS = 5
KEEPALIVE_PROBES = 3


class _TryAgain(Exception):
    """The service is away or busy; ``wait_seconds`` is what it asked for, if it did."""

    def __init__(self, detail: str, wait_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.wait_seconds = wait_seconds


def _backoff(error: Exception) -> bool | float:
    if not isinstance(error, _TryAgain):
        return False
    return True if error.wait_seconds is None else error.wait_seconds


class HttpRewardClient(RewardClient):
    """A reward at ``http(s)://``; at most `CONCURRENT_REQUESTS` requests are under way at once."""

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    ) -> None:
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise InvalidUrl("not the URL of a reward: its host or port cannot be read") from error
        if api_key is not None and not is_header_value(api_key):
            raise InvalidRequest("an API key is of printable ASCII characters")
        self._url = url.rstrip("/")
        self._name = f"{parts.scheme}://{parts.netloc.decode()}{parts.path}"  # for errors: without credentials
        self._timeout_seconds = timeout_seconds
        self._limit = asyncio.Semaphore(CONCURRENT_REQUESTS)
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS),
            transport=httpx.AsyncHTTPTransport(
                limits=httpx.Limits(max_connections=CONCURRENT_REQUESTS, max_keepalive_connections=CONCURRENT_REQUESTS),
                socket_options=_keepalive(),
                trust_env=False,
            ),
            follow_redirects=False,
            trust_env=False,
        )

    async def score(
        self,
        rollouts: Sequence[Rollout],
        options: Mapping[str, JsonValue] | None = None,
        *,
        request_id: str | None = None,
    ) -> list[Score]:
        """See `RewardClient.score`."""
        if not rollouts:
            return []
        checked = check_request(rollouts, options, request_id)
        trace = request_id or uuid.uuid4().hex
        deadline = time.monotonic() + self._timeout_seconds
        parts = split(rollouts)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._score_part(part, checked, f"{trace}/{number}", deadline))
                    for number, part in enumerate(parts)
                ]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [score for task in tasks for score in task.result()]

    async def info(self) -> RewardInfo:
        """See `RewardClient.info`."""
        seconds = min(INFO_TIMEOUT_SECONDS, self._timeout_seconds)

        async def ask() -> httpx.Response:
            return await self._http.get(f"{self._url}/v1/reward", timeout=seconds)

        return self._parse(await self._send(ask, time.monotonic() + seconds), RewardInfo)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _score_part(
        self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue], request_id: str, deadline: float
    ) -> list[Score]:
        body = ScoreRequest(rollouts=list(rollouts), options=dict(options)).model_dump_json().encode()
        headers = {"Content-Type": "application/json", "X-Request-ID": request_id}

        async def ask() -> httpx.Response:
            left = max(0.001, deadline - time.monotonic())
            timeout = httpx.Timeout(left, connect=min(left, CONNECT_TIMEOUT_SECONDS))
            return await self._http.post(f"{self._url}/v1/score", content=body, headers=headers, timeout=timeout)

        answer = self._parse(await self._send(ask, deadline), ScoreResponse)
        if [score.id for score in answer.scores] != [rollout.id for rollout in rollouts]:
            raise RewardProtocolError(f"{self._name} did not answer one score for each rollout, in order")
        return answer.scores

    async def _send(self, ask: Callable[[], Awaitable[httpx.Response]], deadline: float) -> httpx.Response:
        """Ask until there is an answer that is final, or the time is up."""
        left = max(0.001, deadline - time.monotonic())
        trouble = "too many requests are under way"
        try:
            # stamina's own limit ends neither a wait nor an answer that trickles in.
            async with asyncio.timeout(left), self._limit:
                async for attempt in stamina.retry_context(
                    on=_backoff, attempts=None, timeout=left, wait_initial=0.1, wait_max=5.0, wait_jitter=0.5
                ):
                    with attempt:
                        trouble = "no answer"
                        try:
                            return await self._ask_once(ask)
                        except _TryAgain as error:
                            trouble = str(error)
                            raise
        except (_TryAgain, TimeoutError) as error:
            raise RewardUnavailable(f"{self._name} could not be used within the time allowed: {trouble}") from error
        raise AssertionError("unreachable: retry_context returns or raises")

    async def _ask_once(self, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        try:
            response = await ask()
        except httpx.ConnectError as error:  # says whether it was the name, the port or the certificate
            raise _TryAgain(f"ConnectError: {error}") from error
        except (httpx.TransportError, OSError) as error:
            raise _TryAgain(f"{type(error).__name__}") from error
        except httpx.DecodingError as error:
            raise RewardProtocolError(f"{self._name} sent a body that cannot be decoded") from error
        if response.status_code == httpx.codes.OK:
            return response
        problem = _problem(response)
        detail = (problem.detail if problem else None) or response.reason_phrase
        if response.status_code in {429, 502, 503, 504}:
            raise _TryAgain(f"{response.status_code}: {detail}", _retry_after(response))
        if response.status_code >= 500:
            raise RewardProtocolError(f"{self._name} answered {response.status_code}: {detail}")
        raise RewardRejected(f"{self._name} answered {response.status_code}: {detail}", response.status_code, problem)

    def _parse(self, response: httpx.Response, model: type[Model]) -> Model:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise RewardProtocolError(f"{self._name} broke the contract at {where!r}: {first['msg']}") from None


def split(rollouts: Sequence[Rollout]) -> list[list[Rollout]]:
    """Cut into requests that a service takes, by count and by characters; the order stays."""
    parts: list[list[Rollout]] = []
    characters = 0
    for rollout in rollouts:
        size = len(rollout.prompt) + len(rollout.completion)
        if not parts or len(parts[-1]) >= ROLLOUTS_PER_REQUEST or characters + size > CHARACTERS_PER_REQUEST:
            parts.append([])
            characters = 0
        parts[-1].append(rollout)
        characters += size
    return parts


def _keepalive() -> list[tuple[int, int, int]]:
    """Socket options: a machine that died without a word is noticed in half a minute, not when the call's time is up.

    A score may take minutes, so that silence alone says nothing.
    """
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, name):  # elsewhere the system's own default holds
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def _problem(response: httpx.Response) -> Problem | None:
    with contextlib.suppress(ValidationError):
        return Problem.model_validate_json(response.content)
    return None


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return min(float(value), MAX_RETRY_AFTER_SECONDS) if value.isdecimal() else None
