"""Errors of routes that a service adds: FastAPI's own refusals take the same shape as ours."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from shared.errors import PROBLEM_MEDIA_TYPE, Problem, ShuttingDown
from shared.http.problems import add_problem_handlers
from shared.http.request_id import RequestIdMiddleware
from shared.schemas import Rollout


def app_with_routes_of_its_own() -> FastAPI:
    app = FastAPI()
    app.add_middleware(RequestIdMiddleware)
    add_problem_handlers(app)

    @app.post("/v1/sample/{count}")
    async def sample(count: int, rollout: Rollout) -> int:
        return count

    @app.get("/v1/closed")
    async def closed() -> None:
        raise ShuttingDown("ask another")

    return app


async def ask(method: str, path: str, **content: object) -> httpx.Response:
    transport = httpx.ASGITransport(app_with_routes_of_its_own())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **content)  # type: ignore[arg-type]


def problem_in(response: httpx.Response) -> Problem:
    assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE
    problem = Problem.model_validate_json(response.content)
    assert problem.status == response.status_code
    assert problem.request_id == response.headers["x-request-id"]
    return problem


async def test_a_parameter_that_fastapi_refuses_is_a_problem_that_names_it() -> None:
    problem = problem_in(await ask("POST", "/v1/sample/three", json={"id": "1", "prompt": "祝", "completion": ""}))
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert [error.field for error in problem.errors or []] == ["path.count"]


async def test_a_body_that_fastapi_refuses_is_a_problem_that_does_not_repeat_it() -> None:
    response = await ask("POST", "/v1/sample/3", json={"id": "1", "prompt": ["外婆"], "completion": ""})
    problem = problem_in(response)
    assert [error.field for error in problem.errors or []] == ["body.prompt"]
    assert "外婆" not in response.text


async def test_a_body_that_is_not_json_is_malformed() -> None:
    headers = {"Content-Type": "application/json"}
    problem = problem_in(await ask("POST", "/v1/sample/3", content=b"{", headers=headers))
    assert (problem.status, problem.code) == (400, "malformed_request")


async def test_an_answer_of_503_says_when_to_come_back() -> None:
    response = await ask("GET", "/v1/closed")
    assert problem_in(response).code == "shutting_down"
    assert response.headers["retry-after"] == "1"
