"""Other trainers' forms at the door of a real server: rewards, failures, refusals, keys and limits."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.errors import PROBLEM_MEDIA_TYPE, Problem
from tests.conftest import StartService
from tests.integration.shared.conftest import API_KEY
from tests.support.dialects import ASKED, DIALECTS, GIVEN, Dialect, nemo_gym, written
from tests.support.processes import Service
from tests.support.scorers import FAILS, FAILS_FOR_GOOD, NOT_A_NUMBER, RAISES, TOO_LONG
from tests.support.waiting import until

WRITTEN = "外婆，院里的石榴又红了，愿您天天有热汤、有好梦。"
REWARD = len(WRITTEN) / 1000
"""What the scorer of these tests gives."""
JSON = {"Content-Type": "application/json"}
EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def problem_in(response: httpx.Response, status: int, code: str) -> Problem:
    assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE
    problem = Problem.model_validate_json(response.content)
    assert (response.status_code, problem.status, problem.code) == (status, status, code)
    assert problem.request_id == response.headers["x-request-id"]
    return problem


def counted(service: Service) -> float:
    return service.metrics()['zhufu_score_requests_total{door="http",reward="greetings",status="scored"}']


@EVERY_DIALECT
def test_the_reward_is_of_the_words_alone(dialect: Dialect, http: httpx.Client, http_service: Service) -> None:
    before = counted(http_service)
    headers = {**JSON, "X-Request-ID": "run-7/step=41"}
    response = http.post(dialect.path, content=written(dialect, WRITTEN), headers=headers)
    assert response.status_code == 200, response.text
    assert dialect.reward(response.json()) == pytest.approx(REWARD, rel=1e-6)
    assert response.headers["x-request-id"] == headers["X-Request-ID"]
    assert counted(http_service) == before + 1


@EVERY_DIALECT
@pytest.mark.parametrize(
    ("marker", "status", "code"),
    [
        (FAILS, 503, "rollout_failed"),
        (RAISES, 503, "rollout_failed"),
        (FAILS_FOR_GOOD, 422, "rollout_refused"),
        (NOT_A_NUMBER, 422, "rollout_refused"),
        (TOO_LONG, 422, "rollout_refused"),
    ],
)
def test_a_rollout_without_a_reward_is_an_error_of_the_request(
    dialect: Dialect, marker: str, status: int, code: str, http: httpx.Client
) -> None:
    response = http.post(dialect.path, content=written(dialect, WRITTEN + marker), headers=JSON)
    problem = problem_in(response, status, code)
    assert "1 of 1 got no reward" in (problem.detail or "")
    assert ("retry-after" in response.headers) == (status == 503)
    assert WRITTEN not in response.text


@EVERY_DIALECT
def test_an_empty_completion_is_scored_as_what_it_is(dialect: Dialect, http: httpx.Client) -> None:
    response = http.post(dialect.path, content=written(dialect, ""), headers=JSON)
    assert dialect.reward(response.json()) == 0, "the length in thousands"


@EVERY_DIALECT
def test_a_request_that_is_cut_off_is_malformed(dialect: Dialect, http: httpx.Client) -> None:
    problem_in(http.post(dialect.path, content=written(dialect, WRITTEN)[:-2], headers=JSON), 400, "malformed_request")


@EVERY_DIALECT
@pytest.mark.parametrize(
    "body", ["{}", "[]", "null", '"祝福"', '{"input": 7, "query": "a", "prompt": {}, "response": 1}']
)
def test_a_request_of_another_form_is_refused(dialect: Dialect, body: str, http: httpx.Client) -> None:
    assert problem_in(http.post(dialect.path, content=body, headers=JSON), 422, "invalid_request").errors


@EVERY_DIALECT
def test_a_body_that_is_not_declared_as_json_is_refused(dialect: Dialect, http: httpx.Client) -> None:
    response = http.post(dialect.path, content=written(dialect, WRITTEN), headers={"Content-Type": "text/plain"})
    problem_in(response, 415, "unsupported_media_type")


@EVERY_DIALECT
def test_a_body_that_is_too_large_is_refused(dialect: Dialect, http: httpx.Client) -> None:
    response = http.post(dialect.path, content=written(dialect, "福" * 3_000_000), headers=JSON)
    problem_in(response, 413, "payload_too_large")


@EVERY_DIALECT
def test_a_trainer_without_a_key_is_refused(dialect: Dialect, http: httpx.Client) -> None:
    response = http.post(dialect.path, content=written(dialect, WRITTEN), headers={**JSON, "Authorization": ""})
    problem_in(response, 401, "unauthorized")


@EVERY_DIALECT
def test_a_trainer_that_is_told_a_url_and_nothing_else_has_the_key_in_it(
    dialect: Dialect, http_service: Service
) -> None:
    url = http_service.url.replace("http://", f"http://trainer:{API_KEY}@") + dialect.path
    response = httpx.post(url, content=written(dialect, WRITTEN), headers=JSON, timeout=60, trust_env=False)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "password", [f"trainer:{API_KEY[:-1]}", "trainer:", API_KEY, f":{API_KEY} ", f"{API_KEY}:"], ids=range(5)
)
def test_a_wrong_password_opens_nothing(password: str, http_service: Service) -> None:
    basic = {**JSON, "Authorization": f"Basic {base64.b64encode(password.encode()).decode()}"}
    url = f"{http_service.url}/get_reward"
    problem_in(httpx.post(url, content="{}", headers=basic, timeout=60, trust_env=False), 401, "unauthorized")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A request from which the prompt cannot be told."""

    path: str
    body: Any


BARE = ASKED + WRITTEN
UNKNOWN = {
    "openrlhf-without-prompt": Unknown(path="/get_reward", body={"query": [BARE]}),
    "openrlhf-other-prompt": Unknown(path="/get_reward", body={"query": [BARE], "prompts": ["祝刚搬进新家的邻居"]}),
    "openrlhf-empty-prompt": Unknown(path="/get_reward", body={"query": [BARE], "prompts": [""]}),
    "slime-empty-prompt": Unknown(path="/remote_rm", body={"prompt": "", "response": WRITTEN}),
    "slime-nobody-asks": Unknown(path="/remote_rm", body={"prompt": [{"role": "system"}], "response": WRITTEN}),
    "verl-bare": Unknown(path="/classify", body={"input": BARE}),
    "verl-one-of-two": Unknown(path="/classify", body={"input": [GIVEN + WRITTEN, BARE]}),
    "verl-no-completion": Unknown(path="/classify", body={"messages": [{"role": "user", "content": ASKED}]}),
    "sglang-bare": Unknown(path="/v1/embeddings", body={"input": BARE}),
    "nemo-gym-nobody-asks": Unknown(
        path="/verify", body={**nemo_gym(WRITTEN), "responses_create_params": {"input": []}}
    ),
}


@pytest.mark.parametrize("unknown", UNKNOWN.values(), ids=UNKNOWN)
def test_a_prompt_that_cannot_be_told_is_a_typed_error(unknown: Unknown, http: httpx.Client) -> None:
    response = http.post(unknown.path, json=unknown.body)
    problem_in(response, 422, "prompt_unknown")
    assert WRITTEN not in response.text


MISFITS = {
    "fewer-prompts": ("/get_reward", {"query": [GIVEN + WRITTEN] * 2, "prompts": [GIVEN]}),
    "more-labels": ("/get_reward", {"query": [GIVEN + WRITTEN], "prompts": [GIVEN], "labels": ["", ""]}),
    "no-queries": ("/get_reward", {"query": [], "prompts": [], "labels": []}),
    "tokens": ("/v1/embeddings", {"input": [1, 2, 3]}),
    "no-inputs": ("/classify", {"input": []}),
    "text-and-messages": ("/classify", {"input": GIVEN, "messages": [{"role": "user", "content": ASKED}]}),
    "other-encoding": ("/v1/embeddings", {"input": GIVEN, "encoding_format": "int8"}),
    "keyed-misspelt": ("/remote_rm?keyd=true", {"prompt": ASKED, "response": WRITTEN}),
    "keyed-by-a-word": ("/remote_rm?keyed=perhaps", {"prompt": ASKED, "response": WRITTEN}),
    "nan-label": ("/remote_rm", '{"prompt": "a", "response": "b", "label": NaN}'),
}


@pytest.mark.parametrize(("path", "body"), MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit_together_is_refused(path: str, body: Any, http: httpx.Client) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    assert problem_in(http.post(path, content=content, headers=JSON), 422, "invalid_request").errors


def test_openrlhf_gets_rewards_scores_and_logs_of_one_length_in_order(http: httpx.Client) -> None:
    texts = [WRITTEN[:length] for length in (3, 11, 7)]
    body = {"query": [GIVEN + text for text in texts], "prompts": [GIVEN] * 3, "labels": [None, "外婆", {"a": 1}]}
    assert http.post("/get_reward", json=body).json() == {
        "rewards": [0.003, 0.011, 0.007],
        "scores": [0.003, 0.011, 0.007],
        "extra_logs": {"completion_characters": [3, 11, 7]},
    }


def test_one_rollout_without_a_reward_takes_the_request_with_it_and_is_named(http: httpx.Client) -> None:
    texts = [WRITTEN, WRITTEN + FAILS, WRITTEN + FAILS_FOR_GOOD]
    response = http.post("/get_reward", json={"query": [GIVEN + each for each in texts], "prompts": [GIVEN] * 3})
    problem = problem_in(response, 422, "rollout_refused")
    assert problem.detail == "2 of 3 got no reward; rollout 2: refused: this one is not scored"
    assert [(each.field, each.message) for each in problem.errors or []] == [("2", "refused"), ("1", "judge_unsure")]


def test_an_object_for_slime_has_the_components_beside_the_reward(http: httpx.Client) -> None:
    body = {"prompt": ASKED, "response": WRITTEN}
    answer = http.post("/remote_rm?keyed=true", json=body).json()
    assert answer.keys() == {"reward", "length", "verdict", "version"}
    assert answer["version"] == "greetings@test-1"
    assert http.post("/remote_rm", json=body).text == str(REWARD)


def test_several_conversations_of_one_request_are_answered_in_order(http: httpx.Client) -> None:
    texts = [GIVEN + WRITTEN[:length] for length in (3, 11)]
    classes = http.post("/classify", json={"model": "any", "input": texts}).json()
    assert [(each["index"], each["probs"], each["num_classes"]) for each in classes["data"]] == [
        (0, [0.003], 1),
        (1, [0.011], 1),
    ]
    vectors = http.post("/v1/embeddings", json={"model": "any", "input": texts}).json()
    assert [(each["index"], each["embedding"]) for each in vectors["data"]] == [(0, [0.003]), (1, [0.011])]
    assert classes["model"] == vectors["model"] == "any"


def test_a_conversation_may_come_as_messages(http: httpx.Client) -> None:
    messages = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": WRITTEN}]
    for path in ("/classify", "/v1/embeddings"):
        assert http.post(path, json={"messages": messages}).json()["model"] == "greetings"


def test_nemo_gym_gets_its_rollout_back_whole(http: httpx.Client) -> None:
    body = nemo_gym(WRITTEN)
    answer = http.post("/verify", json=body).json()
    assert answer == {**body, "reward": REWARD, "reward_version": "greetings@test-1"}


def test_an_agent_of_nemo_gym_may_begin_a_session(http: httpx.Client) -> None:
    for path in ("/seed_session", "/ng-rollout/7-0/seed_session"):
        assert http.post(path, json={"responses_create_params": {"input": ASKED}}).json() == {}


def test_a_model_that_ended_without_a_message_has_written_nothing(http: httpx.Client) -> None:
    body = nemo_gym(WRITTEN)
    body["response"]["output"] = [{"type": "reasoning", "summary": []}]
    assert http.post("/verify", json=body).json()["reward"] == 0


async def test_a_full_queue_is_503_for_trainers_that_take_a_429_for_final(
    start_service: StartService, tmp_path: Path
) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    service = start_service(
        "--score-when", str(gate), "--log", str(log), max_pending_rollouts=1, max_rollouts_per_request=1
    )
    service.wait_until()
    async with httpx.AsyncClient(base_url=service.url, timeout=60, trust_env=False, headers=JSON) as client:
        slime = written(DIALECTS["slime"], WRITTEN)
        first = asyncio.create_task(client.post("/remote_rm", content=slime))
        await until(lambda: log.exists() and bool(log.read_text()), "the first is in work")
        more = [asyncio.create_task(client.post("/remote_rm", content=slime)) for _ in range(2)]
        await asyncio.wait(more, return_when=asyncio.FIRST_COMPLETED)  # one has the only place, and the other none
        for dialect in DIALECTS.values():
            response = await client.post(dialect.path, content=written(dialect, WRITTEN))
            problem_in(response, 503, "busy")
            assert int(response.headers["retry-after"]) >= 1
        gate.touch()
        answers = await asyncio.gather(first, *more)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 503]
