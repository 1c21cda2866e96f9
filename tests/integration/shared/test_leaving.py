"""The last moments of a server: a request on a connection that is there already is answered, not met by a reset."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from shared.http import leaving
from shared.http.leaving import Leave, LeaveMiddleware, LeavingServer
from tests.support.processes import free_port
from tests.support.waiting import until


async def here(_: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


async def test_a_request_that_comes_as_the_server_stops_listening_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "READ_SECONDS", 1.0)  # a busy machine may need longer than a proxy next door does
    leave = Leave()
    app = LeaveMiddleware(Starlette(routes=[Route("/", here)]), leave)
    config = uvicorn.Config(app, port=free_port(), log_config=None, lifespan="off")
    server = LeavingServer(config, leave, seconds=0)
    serving = asyncio.create_task(server._serve())  # not serve, which would take the signals of the tests' process
    await until(lambda: server.started, "the server listens")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{config.port}", timeout=10, trust_env=False) as client:
        assert "connection" not in (await client.get("/")).headers
        server.should_exit = True
        await until(lambda: not server.servers[0].is_serving(), "the server listens no more")
        answer = await client.get("/")
    assert (answer.text, answer.headers["connection"]) == ("here", "close")
    await asyncio.wait_for(serving, 10)
