"""Every dialect at each of the three services, as real processes: the reward that ``/v1/score`` gives, or an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from shared.schemas import Rollout
from tests.support.checkpoints import random_checkpoint
from tests.support.dialects import ASKED, DIALECTS, Dialect, written
from tests.support.judge import asked, called, ended, judge_or_agents, judge_service, reward_of
from tests.support.llm_server import LlmServer, failing, refused
from tests.support.multi_agent import multi_agent_service
from tests.support.processes import Service, free_port

KEY = "a-key-for-trainers"
WRITTEN = "外婆，石榴又红了，力1，愿您天天有热汤。"
MAX_CHARACTERS = 200
NAMES = ("openrlhf", "slime", "verl-vllm", "verl-sglang", "nemo-gym")
"""One of each route; the other forms of them are tried in tests/integration/shared."""
EVERY_DIALECT = pytest.mark.parametrize("dialect", [DIALECTS[name] for name in NAMES], ids=NAMES)
EVERY_SERVICE = pytest.mark.parametrize("name", ["judge", "multi_agent", "reward_model"])


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, shared_llm: LlmServer) -> Iterator[dict[str, Service]]:
    folder = tmp_path_factory.mktemp("dialects")
    checkpoint = random_checkpoint(folder / "checkpoint", texts=(ASKED, WRITTEN))
    model = {
        "ZHUFU_REWARD_MODEL_CHECKPOINT": str(checkpoint),
        "ZHUFU_REWARD_MODEL_MAX_CHARACTERS": str(MAX_CHARACTERS),
        "ZHUFU_REWARD_MODEL_API_KEYS": KEY,
        "OMP_NUM_THREADS": "1",
    }
    started = {
        "judge": judge_service(folder / "judge.log", shared_llm, api_keys=KEY),
        "multi_agent": multi_agent_service(folder / "agents.log", shared_llm, api_keys=KEY),
        "reward_model": Service(
            [sys.executable, "-m", "services.reward_model.app"], folder / "model.log", model, free_port()
        ),
    }
    with ended(*started.values()):
        for service in started.values():
            service.wait_until(timeout_seconds=120)
        yield started


@pytest.fixture(autouse=True)
def _model_answers(shared_llm: LlmServer) -> None:
    shared_llm.script(judge_or_agents)


@EVERY_SERVICE
@EVERY_DIALECT
def test_the_reward_is_the_one_of_the_contract(dialect: Dialect, name: str, services: dict[str, Service]) -> None:
    service = services[name]
    (score,) = asked(service, Rollout(id="1", prompt=ASKED, completion=WRITTEN), key=KEY)
    status, answer = called(service, "POST", dialect.path, written(dialect, WRITTEN), KEY)
    assert status == 200, answer
    assert dialect.reward(json.loads(answer)) == pytest.approx(reward_of(score), rel=1e-6)


@EVERY_SERVICE
@EVERY_DIALECT
def test_no_key_no_reward(dialect: Dialect, name: str, services: dict[str, Service]) -> None:
    status, answer = called(services[name], "POST", dialect.path, written(dialect, WRITTEN))
    assert (status, json.loads(answer)["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("name", ["judge", "multi_agent"])
@EVERY_DIALECT
def test_a_language_model_that_is_down_is_an_error_to_come_back_from(
    dialect: Dialect, name: str, services: dict[str, Service], shared_llm: LlmServer
) -> None:
    shared_llm.replies(failing(500))
    status, answer = called(services[name], "POST", dialect.path, written(dialect, "外婆，您慢慢走。"), KEY)
    assert (status, json.loads(answer)["code"]) == (503, "rollout_failed")
    assert "llm_server_error" in json.loads(answer)["detail"]


@EVERY_DIALECT
def test_a_language_model_that_refuses_is_an_error_for_good(
    dialect: Dialect, services: dict[str, Service], shared_llm: LlmServer
) -> None:
    shared_llm.replies(refused())
    status, answer = called(services["judge"], "POST", dialect.path, written(dialect, "外婆，您常笑。"), KEY)
    assert (status, json.loads(answer)["code"]) == (422, "rollout_refused")
    assert json.loads(answer)["errors"] == [{"field": "0", "message": "llm_refused"}]


@EVERY_DIALECT
def test_a_text_that_the_model_does_not_take_is_an_error_for_good(
    dialect: Dialect, services: dict[str, Service]
) -> None:
    long = written(dialect, "福" * MAX_CHARACTERS)
    status, answer = called(services["reward_model"], "POST", dialect.path, long, KEY)
    assert (status, json.loads(answer)["code"]) == (422, "rollout_refused")
    assert json.loads(answer)["errors"] == [{"field": "0", "message": "text_too_long"}]
