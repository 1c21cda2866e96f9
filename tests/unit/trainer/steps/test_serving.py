from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.support.ports import free_base_port, taken_ports
from trainer.stack import GivenLlm, LocalLlm, ServiceDied
from trainer.steps.serving import Services, Serving

QUEUE_ONLY = Serving()


@pytest.fixture(autouse=True)
def _no_redis_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHUFU_REDIS_URL", raising=False)


def test_a_stack_is_kept_for_steps_that_want_the_same_and_ended_for_others(tmp_path: Path) -> None:
    port = free_base_port()
    with Services(port, Console(quiet=True), tmp_path) as services:
        assert services.want(None) is None
        first = services.want(QUEUE_ONLY)
        assert first is not None
        assert services.want(Serving()) is first
        services.check()
        assert services.want(None) is None
        assert taken_ports(port) == []
        assert services.want(QUEUE_ONLY) is not first
        assert taken_ports(port) == [port]
    assert taken_ports(port) == []


def test_what_dies_beside_a_step_is_told(tmp_path: Path) -> None:
    with Services(free_base_port(), Console(quiet=True), tmp_path) as services:
        stack = services.want(QUEUE_ONLY)
        assert stack is not None
        stack._processes["redis"].kill()
        with pytest.raises(ServiceDied, match="redis ended by itself"):
            services.check()


def test_services_are_told_what_they_serve(tmp_path: Path) -> None:
    serving = Serving(
        rewards=("judge", "reward_model"),
        llm=LocalLlm(),
        reward_checkpoint=tmp_path / "model",
        principles=tmp_path / "principles.yaml",
        settings={"judge": {"MODE": "verdict"}},
    )
    assert serving.reads == (tmp_path / "model", tmp_path / "principles.yaml")
    stack = serving.stack(9100, Console(quiet=True))
    judge, reward_model = stack._specs
    assert judge.settings["PRINCIPLES"] == str(tmp_path / "principles.yaml")
    assert judge.settings["MODE"] == "verdict"
    assert judge.settings["LLM_URL"] == "http://127.0.0.1:9104/v1"
    assert reward_model.settings == {"CHECKPOINT": str(tmp_path / "model")}
    assert serving.ports(9100) == [9100, 9101, 9102, 9104]
    assert not serving.is_given


def test_an_llm_elsewhere_takes_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_LLM_URL", "http://llm:8000/v1")
    monkeypatch.setenv("ZHUFU_LLM_MODEL", "large")
    serving = Serving(rewards=("judge",), llm=GivenLlm(url="http://llm:8000/v1"))
    assert serving.ports(9100) == [9100, 9101]
    assert serving.is_given
