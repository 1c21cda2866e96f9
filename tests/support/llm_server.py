"""A real HTTP server that speaks OpenAI's API as a test tells it to, also wrongly, and notes all that it is asked.

    with LlmServer() as server:
        server.script(lambda request: said("1", top={"1": -0.1, "0": -2.5}))
        ...                                  # ask server.url
        assert server.requests[0].body["model"] == "test-model"

Without a script it answers as it is asked: JSON that fits the schema, else a label with log-probabilities. As a process
it always does: ``python -m tests.support.llm_server --port 9000``; ``GET /requests`` then tells what came, and when.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import json
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

MODEL = "test-model"
LABELS = {"1": -0.2, "0": -1.8}
START_SECONDS = 30.0
HANG_SECONDS = 300.0
EMBEDDING_SIZE = 64
MAX_KEPT_REQUESTS = 100_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that came.

    Attributes:
        at: By `time.monotonic`, which all processes of a machine share.
        port: Of the client's end: as long as it is the same, so is the connection.
    """

    at: float
    path: str
    headers: Mapping[str, str]
    body: Any
    port: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A well-formed answer; written as the API that was asked writes it."""

    text: str | None
    tokens: Sequence[tuple[str, float, Mapping[str, float]]] = ()
    finish_reason: str = "stop"
    refusal: str | None = None
    prompt_tokens: int = 40
    cached_tokens: int = 32
    completion_tokens: int = 3

    def written(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        chat = path.endswith("/chat/completions")
        wants_logprobs = asked.get("logprobs") not in (None, False)
        logprobs = (chat_logprobs if chat else text_logprobs)(self.tokens) if wants_logprobs and self.tokens else None
        choice: dict[str, Any] = {"index": 0, "finish_reason": self.finish_reason, "logprobs": logprobs}
        if chat:
            choice["message"] = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        else:
            choice["text"] = self.text
        return {
            "id": "chatcmpl-1" if chat else "cmpl-1",
            "object": "chat.completion" if chat else "text_completion",
            "created": 1_760_000_000,
            "model": asked.get("model", MODEL),
            "choices": [choice],
            "usage": {
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": self.completion_tokens,
                "total_tokens": self.prompt_tokens + self.completion_tokens,
                "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            },
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a request gets: a status with a body, after a wait; or a misbehaviour.

    Attributes:
        body: Bytes are sent as they are, a `Said` as the API writes it, anything else as JSON.
        hangs: Nothing is ever answered.
        cut_after: The connection is closed when so many bytes of the body were sent.
        seconds_between_bytes: The body trickles.
        held: Nothing is answered before this is set; where it never is, the connection is closed.
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    delay_seconds: float = 0.0
    hangs: bool = False
    cut_after: int | None = None
    seconds_between_bytes: float = 0.0
    held: threading.Event | None = None


Script = Callable[[Any], Reply]


def said(
    text: str | None,
    *,
    top: Mapping[str, float] | None = None,
    tokens: Sequence[tuple[str, float, Mapping[str, float]]] | None = None,
    **changes: Any,
) -> Reply:
    """A correct answer.

    Args:
        text: Of the answer.
        top: Likeliest tokens with log-probabilities, where the text is one token.
        tokens: (token, log-probability, likeliest tokens) for each token of a longer text.
        changes: Other fields of `Said`, and of `Reply`.
    """
    if tokens is None:
        tokens = [] if text is None else [(text, (top or {}).get(text, -9.0), {text: -0.01} if top is None else top)]
    for_reply = {field.name for field in dataclasses.fields(Reply)} & changes.keys()
    rest = {name: value for name, value in changes.items() if name not in for_reply}
    return Reply(body=Said(text=text, tokens=tokens, **rest), **{name: changes[name] for name in for_reply})


def chat_logprobs(tokens: Sequence[tuple[str, float, Mapping[str, float]]]) -> dict[str, Any]:
    """As ``/v1/chat/completions`` writes them; llama.cpp does so everywhere."""

    def entry(token: str, logprob: float) -> dict[str, Any]:
        return {"token": token, "logprob": logprob, "bytes": list(token.encode())}

    content = [
        {**entry(token, logprob), "top_logprobs": [entry(*each) for each in top.items()]}
        for token, logprob, top in tokens
    ]
    return {"content": content}


def text_logprobs(tokens: Sequence[tuple[str, float, Mapping[str, float]]]) -> dict[str, Any]:
    """As ``/v1/completions`` of OpenAI and vLLM writes them."""
    return {
        "tokens": [token for token, _, _ in tokens],
        "token_logprobs": [logprob for _, logprob, _ in tokens],
        "top_logprobs": [dict(top) for _, _, top in tokens],
        "text_offset": [0 for _ in tokens],
    }


# Misbehaviours


def hangs() -> Reply:
    return Reply(hangs=True)


def rate_limited(retry_after: str | None = None) -> Reply:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return failing(429, "Rate limit reached for requests", headers=headers)


def failing(status: int, message: str = "The server had an error", **changes: Any) -> Reply:
    """A failure with an error body of OpenAI's form; ``code`` goes into it."""
    code = changes.pop("code", None)
    return Reply(status=status, body={"error": {"message": message, "type": "error", "code": code}}, **changes)


def cut_off(text: str = "1") -> Reply:
    """A correct answer, but the connection breaks in the middle of it."""
    return dataclasses.replace(said(text), cut_after=40)


def refused(words: str = "I'm sorry, but I can't help with that.") -> Reply:
    return said(None, refusal=words)


def filtered() -> Reply:
    return said("", finish_reason="content_filter")


def truncated(text: str = '{"verdict":') -> Reply:
    return said(text, finish_reason="length")


def html() -> Reply:
    return Reply(body=b"<html><body><h1>Welcome to nginx!</h1></body></html>", headers={"Content-Type": "text/html"})


def no_choices() -> Reply:
    return Reply(body={"object": "chat.completion", "model": MODEL, "choices": [], "usage": {"prompt_tokens": 40}})


def null_content() -> Reply:
    return said(None)


MISBEHAVIOURS: Mapping[str, tuple[Reply, str]] = {
    "hangs": (hangs(), "llm_timeout"),
    "429 without Retry-After": (rate_limited(), "llm_rate_limited"),
    "429 with Retry-After": (rate_limited("3600"), "llm_rate_limited"),
    "429 with a date": (rate_limited("Fri, 31 Dec 2100 23:59:59 GMT"), "llm_rate_limited"),
    "500": (failing(500), "llm_server_error"),
    "503": (failing(503), "llm_server_error"),
    "connection breaks": (cut_off(), "llm_unreachable"),
    "400": (failing(400, "max_tokens is too large"), "llm_rejected"),
    "401": (failing(401, "Incorrect API key provided"), "llm_rejected"),
    "404": (failing(404, "The model does not exist"), "llm_rejected"),
    "400 by a filter": (failing(400, "triggered our content policy", code="content_filter"), "llm_refused"),
    "refused": (refused(), "llm_refused"),
    "filtered": (filtered(), "llm_refused"),
    "truncated": (truncated(), "llm_truncated"),
    "HTML": (html(), "llm_protocol_error"),
    "no choices": (no_choices(), "llm_protocol_error"),
    "null content": (null_content(), "llm_protocol_error"),
}
"""Ways to fail that a client notices by itself, each with the code of the failure that it should end in."""


# Answers that fit


def fitting(request: Mapping[str, Any], labels: Mapping[str, float] | None = None) -> Reply:
    """JSON of the schema that is asked for, else the likeliest label."""
    schema = request.get("json_schema") or (request.get("response_format") or {}).get("json_schema", {}).get("schema")
    if schema:
        text = json.dumps(instance_of(schema), ensure_ascii=False)
        return said(text, tokens=[(text, -0.01, {text: -0.01})])
    top = labels or LABELS
    return said(max(top, key=lambda label: top[label]), top=top, completion_tokens=1, finish_reason="length")


def instance_of(schema: Mapping[str, Any]) -> Any:
    """Something plain that fits a JSON schema; of those that list their values, the last."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][-1]
    kind = schema.get("type")
    if kind == "object":
        return {name: instance_of(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance_of(schema["items"]) for _ in range(schema.get("minItems", 1))]
    if kind in {"integer", "number"}:
        return schema.get("maximum", schema.get("minimum", 1))
    return {"boolean": True, "null": None}.get(str(kind), "好")


def of_letters(text: str) -> list[float]:
    """A vector that counts the characters of a text."""
    vector = [0.01] * EMBEDDING_SIZE
    for letter in text:
        vector[zlib.crc32(letter.encode()) % EMBEDDING_SIZE] += 1.0
    return vector


class LlmServer:
    """The server, in a thread of its own while the context is open."""

    def __init__(self, port: int = 0, labels: Mapping[str, float] | None = None) -> None:
        self.requests: collections.deque[Asked] = collections.deque(maxlen=MAX_KEPT_REQUESTS)
        """All questions that came, in order of arrival."""
        self.most_under_way = 0
        """How many were under way at once, at most."""
        self.under_way = 0
        """How many are under way now; one whose caller has gone is not."""
        self._labels = labels
        self._script: Script = self._fits
        self._models = Reply(body={"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        routes = [
            Route("/v1/chat/completions", self._asked, methods=["POST"]),
            Route("/v1/completions", self._asked, methods=["POST"]),
            Route("/v1/embeddings", self._embed, methods=["POST"]),
            Route("/v1/models", self._list_models),
            Route("/requests", self._list_requests),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), log_config=None, log_level="critical", lifespan="off", ws="none", backlog=2048
        )
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What to set as ``llm_url``."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def script(self, answer: Script) -> None:
        """From now on, each question is answered by this function of its JSON body."""
        self._script = answer

    def replies(self, *replies: Reply) -> None:
        """From now on, these in turn, and the last one again and again."""
        waiting = collections.deque(replies)
        self.script(lambda _: waiting.popleft() if len(waiting) > 1 else waiting[0])

    def models(self, reply: Reply) -> None:
        """What ``/v1/models`` answers from now on."""
        self._models = reply

    def run(self) -> None:
        """Serve until SIGTERM."""
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.run, name="llm-server", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start in time"
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; what hangs is cut."""
        self._server.should_exit = True
        self._server.force_exit = True
        if self._thread is not None:
            self._thread.join(START_SECONDS)
            assert not self._thread.is_alive()
        self._socket.close()

    def _fits(self, request: Any) -> Reply:
        return fitting(request, self._labels)

    async def _asked(self, request: Request) -> ASGIApp:
        at = time.monotonic()
        body = await request.body()
        try:
            asked = json.loads(body)
        except ValueError:
            return _sent(failing(400, "not JSON"), request.url.path, {})
        assert request.client is not None
        came_from = request.client.port
        self.requests.append(
            Asked(at=at, path=request.url.path, headers=dict(request.headers), body=asked, port=came_from)
        )
        return self._counted(_sent(self._script(asked), request.url.path, asked))

    def _counted(self, app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            try:
                await app(scope, receive, send)
            finally:
                self.under_way -= 1

        return answer

    async def _embed(self, request: Request) -> ASGIApp:
        """Whatever the script: texts with the same characters are near each other."""
        texts = (await request.json())["input"]
        items = [
            {"object": "embedding", "index": index, "embedding": of_letters(text)} for index, text in enumerate(texts)
        ]
        return JSONResponse({"object": "list", "model": MODEL, "data": items, "usage": {"prompt_tokens": 1}})

    async def _list_models(self, request: Request) -> ASGIApp:
        return _sent(self._models, request.url.path, {})

    async def _list_requests(self, _: Request) -> ASGIApp:
        return JSONResponse([{"at": asked.at, "path": asked.path, "body": asked.body} for asked in self.requests])


def _sent(reply: Reply, path: str, asked: Mapping[str, Any]) -> ASGIApp:
    body = reply.body.written(path, asked) if isinstance(reply.body, Said) else reply.body
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **reply.headers}

    async def send_reply(scope: Scope, receive: Receive, send: Send) -> None:
        if reply.hangs:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HANG_SECONDS):
                    while (await receive())["type"] != "http.disconnect":
                        pass
            return
        await asyncio.sleep(reply.delay_seconds)
        if reply.held is not None and not await asyncio.to_thread(reply.held.wait, HANG_SECONDS):
            raise ConnectionAbortedError(f"held for {HANG_SECONDS:g} s, and nobody let go")
        start = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": start})
        if reply.cut_after is not None:
            await send({"type": "http.response.body", "body": content[: reply.cut_after], "more_body": True})
            raise ConnectionAbortedError("as the test wants it")  # uvicorn closes the connection
        if reply.seconds_between_bytes:
            for number in range(len(content)):
                await send({"type": "http.response.body", "body": content[number : number + 1], "more_body": True})
                await asyncio.sleep(reply.seconds_between_bytes)
        await send({"type": "http.response.body", "body": b"" if reply.seconds_between_bytes else content})

    return send_reply


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--labels", nargs="+", default=list(LABELS), help="What it answers; the first is likeliest.")
    chosen = parser.parse_args(arguments)
    labels = {label: -0.2 - 1.6 * rank for rank, label in enumerate(chosen.labels)}
    LlmServer(chosen.port, labels).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
