from __future__ import annotations

import importlib.util
import os

import pytest

from services.reward_model.settings import RewardModelSettings
from trainer.stack.services import ROOT, ServiceSpec, all_services

TABLE = all_services("runs/reward", {}, {})
USED_OFFSETS = {0: "Redis", 4: "the local LLM"}


@pytest.mark.parametrize("service", TABLE, ids=lambda service: service.name)
def test_every_service_of_the_table_is_a_module_of_the_project(service: ServiceSpec) -> None:
    assert importlib.util.find_spec(service.module)


def test_without_an_llm_there_is_neither_judge_nor_agents() -> None:
    assert [service.name for service in all_services("runs/reward")] == ["reward_model"]
    assert [service.name for service in all_services("runs/reward", {})] == ["judge", "reward_model"]
    assert [service.name for service in TABLE] == ["judge", "reward_model", "multi_agent"]


def test_no_two_services_share_a_name_or_a_port() -> None:
    assert len({service.name for service in TABLE}) == len(TABLE)
    assert len({service.port_offset for service in TABLE} | USED_OFFSETS.keys()) == len(TABLE) + len(USED_OFFSETS)


def test_the_reward_model_reads_what_the_stack_tells_it_whatever_the_user_has_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ZHUFU_PORT", "ZHUFU_REWARD_MODEL_PORT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("ZHUFU_REWARD_MODEL_REDIS_URL", "redis://elsewhere:1/0")
    monkeypatch.setenv("ZHUFU_HOST", "0.0.0.0")
    monkeypatch.setenv("ZHUFU_REWARD_MODEL_THREADS", "3")
    (service,) = (each for each in TABLE if each.name == "reward_model")
    monkeypatch.setenv("ZHUFU_PLAYGROUND_REWARDS", "elsewhere=http://127.0.0.1:1")
    rewards = {"judge": "http://127.0.0.1:8001", "reward_model": "http://127.0.0.1:8002"}
    environment = service.environment(8002, "redis://127.0.0.1:8000/0", rewards)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = RewardModelSettings()
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:8000/0"
    assert (settings.host, settings.port, settings.name) == ("127.0.0.1", 8002, "reward_model")
    assert (settings.checkpoint, settings.log_format, settings.threads) == ("runs/reward", "json", 3)
    assert settings.playground_rewards == rewards


def test_a_service_finds_the_project_first_and_then_what_the_user_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert TABLE[0].environment(1, "", {})["PYTHONPATH"] == os.pathsep.join([str(ROOT), "/somewhere"])
    monkeypatch.delenv("PYTHONPATH")
    assert TABLE[0].environment(1, "", {})["PYTHONPATH"] == str(ROOT)
