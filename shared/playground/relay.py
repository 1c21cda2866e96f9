"""Other rewards, asked through this service.

The page at one service may show what the others think. Were it to ask them itself, each would have to let the scripts
of other origins in (CORS), the page's policy would have holes, and every service would have to be reachable from the
browser. So it asks the service that it came from, which passes a few requests on:

- to the rewards that the settings name, and to no other address; a request chooses a name, never a URL;
- to the four routes of `ROUTES`, following no redirect;
- with the caller's own key, which this service has checked and the other one checks again: nobody gets further by the
  relay than by asking there, and this service lends no key of its own;
- with every wait, answer and number of requests bounded, and ended when the caller goes.

What comes back is JSON or events, and says so: nothing that a browser would take for a page.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import TracebackType
from typing import Final, Self

import httpx
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from shared.errors import (
    PROBLEM_MEDIA_TYPE,
    DeadlineExpired,
    Overloaded,
    RewardProtocolError,
    RewardUnavailable,
    ShuttingDown,
    UnsupportedMediaType,
    ZhufuError,
    problem_of,
)
from shared.http.body import read_body
from shared.http.disconnect import unless_gone
from shared.http.events import EVENT_STREAM, EventStream, event
from shared.http.request_id import HEADER, request_id_of

PREFIX: Final = "/playground/rewards"
JSON: Final = "application/json"
ROUTES: Final[Mapping[str, str]] = {
    "/v1/reward": "GET",
    "/v1/distribution": "GET",
    "/v1/score": "POST",
    "/v1/evaluate": "POST",
}
MAX_REQUESTS: Final = 16
"""Under way at once; one more is refused."""
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 60.0
"""Longest silence within a stream of events; services break theirs every 15 seconds."""
NOBODY_READS: Final = 499
"""For the log: the caller went before there was an answer."""


class Relay:
    """Passes requests on to rewards by name while it is open.

    Attributes:
        names: Of the rewards.
        timeout_seconds: Longest time for one request, all of its answer included.
    """

    def __init__(self, rewards: Mapping[str, str], *, timeout_seconds: float, max_body_bytes: int) -> None:
        """Nothing is opened yet. ``rewards`` has the URL of each service by the name of its reward."""
        self.names: Final = tuple(rewards)
        self.timeout_seconds: Final = timeout_seconds
        self._urls = dict(rewards)
        self._max_body_bytes = max_body_bytes
        self._under_way = 0
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        if self._urls:
            self._http = httpx.AsyncClient(
                headers={"Accept": f"{JSON}, {PROBLEM_MEDIA_TYPE}, {EVENT_STREAM}", "Accept-Encoding": "identity"},
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),  # the rest is bounded as a whole
                limits=httpx.Limits(max_connections=MAX_REQUESTS, max_keepalive_connections=MAX_REQUESTS),
                follow_redirects=False,
                trust_env=False,
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.aclose()

    def routes(self) -> APIRouter:
        """Its routes, which are the page's own and no part of the API; they need a key where the service has one."""
        router = APIRouter(prefix=PREFIX, include_in_schema=False)
        for path, method in ROUTES.items():
            router.add_api_route(f"/{{name}}{path}", self._endpoint(path, method), methods=[method])
        return router

    def _endpoint(self, path: str, method: str) -> Callable[[Request, str], Awaitable[Response]]:
        async def endpoint(request: Request, name: str) -> Response:
            if name not in self._urls or self._http is None:
                raise HTTPException(404)
            asked = await self._asked(request, f"{self._urls[name]}{path}", method)
            async with contextlib.AsyncExitStack() as closing:
                closing.enter_context(self._place())
                try:
                    answer = await unless_gone(request, self._answer(asked, name, closing))
                except asyncio.CancelledError:  # only uvicorn cancels a request
                    raise ShuttingDown("this replica shut down before the request was done") from None
                return answer or Response(status_code=NOBODY_READS)

        return endpoint

    async def _asked(self, request: Request, url: str, method: str) -> httpx.Request:
        """What is passed on of a request: its body and its key, and nothing else that the browser sent.

        Raises:
            UnsupportedMediaType: The body is not declared as JSON.
            PayloadTooLarge: It has more bytes than this service takes.
        """
        assert self._http is not None
        headers = {HEADER: request_id_of(request.scope)}
        if (key := request.headers.get("authorization")) is not None:
            headers["Authorization"] = key
        if method != "POST":
            return self._http.build_request(method, url, headers=headers)
        if _media_type(request.headers.get("content-type", "")) != JSON:
            raise UnsupportedMediaType("send the body as application/json")
        body = await read_body(request, self._max_body_bytes)
        return self._http.build_request(method, url, headers={**headers, "Content-Type": JSON}, content=body)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places for requests under way; raises `Overloaded` where all are taken."""
        if self._under_way >= MAX_REQUESTS:
            raise Overloaded(f"{MAX_REQUESTS} requests to other rewards are under way already")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def _answer(self, asked: httpx.Request, name: str, closing: contextlib.AsyncExitStack) -> Response:
        """What the other service answers, be it a score or a refusal.

        Raises:
            RewardUnavailable: It cannot be reached.
            RewardProtocolError: Its answer is none of ours, or too long.
            DeadlineExpired: It has not answered in time.
        """
        assert self._http is not None
        ends_at = asyncio.get_running_loop().time() + self.timeout_seconds
        with _telling(name):
            async with asyncio.timeout_at(ends_at):
                answer = await self._http.send(asked, stream=True)
                closing.push_async_callback(answer.aclose)
                media_type = _media_type(answer.headers.get("content-type", ""))
                if media_type == EVENT_STREAM:
                    return EventStream(self._events(answer, name, ends_at), closing.pop_all())
                if media_type not in {JSON, PROBLEM_MEDIA_TYPE}:
                    raise RewardProtocolError(f"{name} answered {answer.status_code}, and no JSON")
                content = b"".join([part async for part in _bounded(answer, name)])
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if (seconds := answer.headers.get("retry-after", "")).isdecimal():
            headers["Retry-After"] = seconds
        return Response(content, status_code=answer.status_code, media_type=media_type, headers=headers)

    async def _events(self, answer: httpx.Response, name: str, ends_at: float) -> AsyncIterator[bytes]:
        """The events of an answer, whole ones only; one more, ``problem``, where it breaks off."""
        parts, held = _bounded(answer, name), b""
        try:
            while True:
                with _telling(name):
                    silent_until = asyncio.get_running_loop().time() + SILENCE_SECONDS
                    async with asyncio.timeout_at(min(ends_at, silent_until)):
                        part = await anext(parts, None)
                if part is None:
                    return
                whole, end, held = (held + part).rpartition(b"\n\n")
                if end:
                    yield whole + end
        except ZhufuError as error:
            yield event("problem", problem_of(error).model_dump_json(exclude_none=True))


@contextlib.contextmanager
def _telling(name: str) -> Iterator[None]:
    """Failures of the connection to a reward, as errors of ours; they tell its name, not where it is."""
    try:
        yield
    except httpx.TransportError as error:
        raise RewardUnavailable(f"{name} cannot be reached from this service") from error
    except httpx.DecodingError as error:
        raise RewardProtocolError(f"the answer of {name} cannot be decoded") from error
    except TimeoutError as error:
        raise DeadlineExpired(f"{name} did not answer in time") from error


async def _bounded(answer: httpx.Response, name: str) -> AsyncIterator[bytes]:
    size = 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise RewardProtocolError(f"the answer of {name} has more than {MAX_ANSWER_BYTES} bytes")
        yield part


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()
