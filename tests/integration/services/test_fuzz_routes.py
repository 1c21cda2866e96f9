"""Every route of every service, asked whatever its description allows and forbids: no server error, nothing undeclared.

The routes come from the descriptions that the services serve. ``ZHUFU_FUZZ_EXAMPLES`` says how many requests each
operation gets; a few find what changes break, some hundred look further.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import hypothesis
import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import strategies as st

from shared.errors import PROBLEM_MEDIA_TYPE, Problem
from shared.playground import Relay, playground_routes
from tests.support.checkpoints import random_checkpoint
from tests.support.effort import FUZZ_EXAMPLES
from tests.support.judge import Taste, judge_service
from tests.support.llm_server import LlmServer, Reply, fitting
from tests.support.multi_agent import multi_agent_service
from tests.support.processes import START_SECONDS, Service, free_port

# One test is all requests to an operation, and some of them are for sixteen samples.
pytestmark = pytest.mark.timeout(600)

KEY = "a-key-for-tests"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
SERVICES = Path(__file__).resolve().parents[3] / "services"
# JSON Schema cannot say all that is right: that ids differ, which options a reward takes. 422 is the answer then.
# FastAPI makes a route of each method, and the header Allow of a 405 names those of one route.
EXCLUDED = [schemathesis.checks.positive_data_acceptance, schemathesis.checks.allow_header_conformance]

# Where a request ends is told by its sender, and one that tells it wrongly is no HTTP: the parser refuses it, no route.
FRAMING = ("content-length", "transfer-encoding")


def described(service: str) -> dict[str, Any]:
    """The description as committed; tests of each service hold it against the one that is served."""
    document: dict[str, Any] = json.loads((SERVICES / service / "openapi.json").read_text("utf-8"))
    return document


judge_schema = schemathesis.openapi.from_dict(described("judge"))
multi_agent_schema = schemathesis.openapi.from_dict(described("multi_agent"))
reward_model_schema = schemathesis.openapi.from_dict(described("reward_model"))


def answer(body: Any) -> Reply:
    """Of agents and of judges that want JSON, what fits the schema; else a verdict."""
    return fitting(body) if "response_format" in body else Taste()(body)


@pytest.fixture(scope="module")
def model() -> Iterator[LlmServer]:
    with LlmServer() as server:
        server.script(answer)
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


def still_well(service: Service) -> Iterator[Service]:
    """Give a service away when it is ready, and see afterwards whether it still is and met nothing unexpected."""
    try:
        service.wait_until(timeout_seconds=2 * START_SECONDS)
        yield service
        service.wait_until("/healthz")
        service.wait_until("/readyz")
        assert "Traceback" not in service.printed()
    finally:
        service.end()


@pytest.fixture(scope="module")
def judge(model: LlmServer, folder: Path, reward_model: Service) -> Iterator[Service]:
    others = f"reward_model={reward_model.url},nobody=http://127.0.0.1:{free_port()}"
    yield from still_well(
        judge_service(folder / "judge.log", model, api_keys=KEY, group_wait_seconds=0.05, playground_rewards=others)
    )


@pytest.fixture(scope="module")
def multi_agent(model: LlmServer, folder: Path) -> Iterator[Service]:
    yield from still_well(multi_agent_service(folder / "multi-agent.log", model, api_keys=KEY))


@pytest.fixture(scope="module")
def reward_model(folder: Path) -> Iterator[Service]:
    random_checkpoint(folder / "v1", positions=128)
    environment = {
        "ZHUFU_REWARD_MODEL_CHECKPOINT": "v1",
        "ZHUFU_REWARD_MODEL_CHECKPOINTS_DIR": str(folder),
        "ZHUFU_API_KEYS": KEY,
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "services.reward_model.app"]
    yield from still_well(Service(command, folder / "reward-model.log", environment, free_port()))


def check(case: Any, service: Service) -> None:
    for name in [name for name in case.headers or {} if name.lower() in FRAMING]:
        del case.headers[name]
    case.call_and_validate(
        base_url=service.url, headers=AUTHORIZED, excluded_checks=EXCLUDED, timeout=2 * START_SECONDS
    )


@judge_schema.parametrize()
@hypothesis.settings(max_examples=FUZZ_EXAMPLES)
def test_no_request_to_the_judge_finds_an_answer_that_is_not_declared(case: Any, judge: Service) -> None:
    check(case, judge)


@multi_agent_schema.parametrize()
@hypothesis.settings(max_examples=FUZZ_EXAMPLES)
def test_no_request_to_the_agents_finds_an_answer_that_is_not_declared(case: Any, multi_agent: Service) -> None:
    check(case, multi_agent)


@reward_model_schema.parametrize()
@hypothesis.settings(max_examples=FUZZ_EXAMPLES)
def test_no_request_to_the_reward_model_finds_an_answer_that_is_not_declared(case: Any, reward_model: Service) -> None:
    check(case, reward_model)


# The playground's routes are no part of the API and stand in no description.


RELAY = Relay({"other": "http://127.0.0.1:1"}, timeout_seconds=1, max_body_bytes=1)
ROUTERS = (playground_routes("greetings", RELAY, needs_key=True), RELAY.routes())
PATHS = sorted({route.path for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)})


PART = st.sampled_from(["reward_model", "nobody", "index.html", "main.js", "..", "%2e%2e", "%00", "祝福"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="/?#"), min_size=1
)
SIMPLE = st.none() | st.booleans() | st.floats() | st.text()
JSON_BODY = (SIMPLE | st.lists(SIMPLE) | st.dictionaries(st.text(), SIMPLE)).map(
    lambda value: json.dumps(value).encode()
)


@pytest.mark.parametrize("path", PATHS)
@hypothesis.settings(max_examples=FUZZ_EXAMPLES)
@hypothesis.given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    part=PART,
    body=st.binary() | JSON_BODY,
    media_type=st.sampled_from(["application/json", "text/plain", ""]),
)
def test_no_request_to_the_playground_finds_an_error_without_a_type(
    path: str, method: str, part: str, body: bytes, media_type: str, judge: Service
) -> None:
    target = path.replace("{name}", quote(part, safe="%")).replace("{file}", quote(part, safe="%"))
    headers = {**AUTHORIZED, **({"Content-Type": media_type} if media_type else {})}
    response = httpx.request(
        method, judge.url + target, content=body, headers=headers, timeout=START_SECONDS, trust_env=False
    )
    away = response.status_code == 503 and "nobody" in part
    assert response.status_code < 500 or away, response.text
    if response.status_code >= 400 and method != "HEAD":
        assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE
        assert Problem.model_validate_json(response.content).status == response.status_code
