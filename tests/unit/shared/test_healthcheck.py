"""The health check of containers: what it makes of each answer, as a process does."""

from __future__ import annotations

import asyncio
import sys

import pytest

from shared.healthcheck import check
from tests.support.canned_server import canned, http_answer
from tests.support.processes import ROOT, free_port


@pytest.mark.parametrize(
    ("status", "wrong"),
    [("200 OK", None), ("503 Service Unavailable", "answers 503"), ("204 No Content", "answers 204")],
)
async def test_only_200_is_healthy(status: str, wrong: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")  # nobody is there, and nobody is asked
    async with canned(http_answer(status)) as server:
        said = await asyncio.to_thread(check, f"{server.url}/readyz")
    assert said == (None if wrong is None else f"{server.url}/readyz {wrong}")


@pytest.mark.parametrize(
    "url",
    [f"http://127.0.0.1:{free_port()}/readyz", "readyz", "http://127.0.0.1:x/"],
    ids=["nobody", "no URL", "no port"],
)
def test_nobody_there_or_no_url_is_unhealthy(url: str) -> None:
    assert "does not answer" in (check(url) or "")


async def test_an_answer_that_is_no_http_is_unhealthy() -> None:
    async with canned(b"-ERR unknown command\r\n") as server:
        assert "does not answer" in (await asyncio.to_thread(check, f"{server.url}/readyz") or "")


async def test_the_exit_status_tells_the_engine_and_the_output_why() -> None:
    async with canned(http_answer("200 OK"), http_answer("503 Service Unavailable")) as server:
        ended = []
        for arguments in ([f"{server.url}/readyz"], [f"{server.url}/readyz"], []):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "shared.healthcheck", *arguments, cwd=ROOT, stderr=asyncio.subprocess.PIPE
            )
            _, said = await process.communicate()
            ended.append((process.returncode, said.decode().strip()))
    assert ended[0] == (0, "")
    assert ended[1] == (1, f"{server.url}/readyz answers 503")
    assert ended[2][0] == 1
    assert ended[2][1].startswith("usage: ")
