"""A stack with the local LLM: there before the services, still there while they drain, and ended with them."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from rich.console import Console

from shared.client import RewardClient
from tests.support.effort import SLOW
from tests.support.greetings import rollouts
from tests.support.ports import free_base_port, taken_ports
from trainer.local_llm.errors import ModelUnusable
from trainer.stack import LocalLlm, PortUnavailable, ServiceSpec, Stack, StartFailed, choose_llm
from trainer.stack.services import all_services

LIGHT = ServiceSpec(name="greetings", module="tests.support.scorer_process", port_offset=2)


@pytest.fixture(autouse=True)
def _nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZHUFU_REDIS_URL", "ZHUFU_LLM_URL", "ZHUFU_JUDGE_LLM_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def base_port() -> Iterator[int]:
    """Fails the test where a process or a listener outlives it."""
    before = set(psutil.Process().children(recursive=True))
    port = free_base_port()
    yield port
    assert set(psutil.Process().children(recursive=True)) <= before
    assert taken_ports(port) == []


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """It begins as a model, and is none."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(1000))
    return path


def test_it_is_started_first_shown_with_its_terms_and_ended(
    gemma_cache: Path, base_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(gemma_cache))
    output = io.StringIO()
    console = Console(file=output, width=80)
    with Stack(
        reward_checkpoint="none", base_port=base_port, console=console, llm=choose_llm(), services=[LIGHT]
    ) as stack:
        stack.print_summary()
        assert stack.urls["llm"] == f"http://127.0.0.1:{base_port + 4}/v1"
        body = {"model": "gemma-3-270m", "prompt": "新年好", "max_tokens": 1}
        answer = httpx.post(f"{stack.urls['llm']}/completions", json=body, timeout=60, trust_env=False)
        assert answer.status_code == 200
        stack.kill("llm")
        stack.check()
        stack.restart("llm")
        stack.check()
    shown = output.getvalue()
    assert shown.index("llm is ready") < shown.index("greetings is ready")
    for expected in (stack.urls["llm"], "stand-in for trying things out", "Gemma Terms of Use", "GEMMA_TERMS.html"):
        assert expected in shown


@pytest.mark.skipif(not SLOW, reason="tests/e2e/test_readme.py does it, too: set ZHUFU_SLOW_TESTS=1")
async def test_a_judge_of_the_stack_scores_with_it(
    gemma_cache: Path, base_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(gemma_cache))
    llm = LocalLlm()
    (judge,) = (each for each in all_services("none", llm.settings_for("judge", base_port)) if each.name == "judge")
    with Stack(reward_checkpoint="none", base_port=base_port, log_dir=tmp_path, llm=llm, services=[judge]) as stack:
        async with RewardClient.from_url(stack.queue_url("judge"), timeout_seconds=120) as client:
            (score,) = await client.score(rollouts(1))
    assert score.status == "scored", score
    assert score.reward is not None


def test_a_model_that_cannot_be_loaded_is_told_by_the_end_of_its_log(
    base_port: int, tmp_path: Path, gguf: Path
) -> None:
    pytest.importorskip("xllamacpp", reason="the local LLM is not installed")
    llm = LocalLlm(model=gguf)
    stack = Stack(reward_checkpoint="none", base_port=base_port, log_dir=tmp_path, llm=llm, services=[LIGHT])
    with pytest.raises(StartFailed) as told, stack:
        pytest.fail("it is up")
    assert "llm ended before it was ready: status 4" in told.value.detail
    assert f"llama.cpp cannot load {gguf}" in told.value.detail


def test_what_can_be_seen_beforehand_is_told_before_anything_starts(base_port: int, tmp_path: Path, gguf: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the local LLM is not installed")
    log_dir = tmp_path / "logs"
    stack = Stack(reward_checkpoint="none", base_port=base_port, log_dir=log_dir, llm=LocalLlm(model=gguf))
    with (
        socket.create_server(("127.0.0.1", base_port + 4)),
        pytest.raises(PortUnavailable, match=rf"port {base_port + 4} \(for llm\)"),
        stack,
    ):
        pytest.fail("it is up")
    gguf.write_text("恭喜发财")
    with pytest.raises(ModelUnusable, match="not a GGUF"), stack:
        pytest.fail("it is up")
    assert not log_dir.exists()
