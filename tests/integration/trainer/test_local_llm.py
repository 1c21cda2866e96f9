"""The local LLM as a process: llama.cpp with the real Gemma, and every way in which it cannot begin."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import Service, free_port
from trainer.local_llm.options import API_KEY_VARIABLE
from trainer.local_llm.weights import FILE_NAME

END_SECONDS = 10.0
SECRET = "这句话不可以写进日志"
BEGINNING = "下面是一些祝福语，以及它们好不好。\n" + "祝福：愿你平安喜乐，万事顺遂。\n评价：好\n\n" * 20
Start = Callable[..., Service]


def started(cache: Path, output: Path, *arguments: str, port: int | None = None, api_key: str = "") -> Service:
    port = port or free_port()
    command = [sys.executable, "-m", "trainer.local_llm", "--port", str(port), "--threads", "1", *arguments]
    return Service(command, output, {"XDG_CACHE_HOME": str(cache), API_KEY_VARIABLE: api_key}, port)


@pytest.fixture
def start(gemma_cache: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts one; ended with the test. Nothing is waited for."""
    services: list[Service] = []

    def one(*arguments: str, port: int | None = None, api_key: str = "") -> Service:
        log = tmp_path / f"llm-{len(services)}.log"
        services.append(started(gemma_cache, log, *arguments, port=port, api_key=api_key))
        return services[-1]

    yield one
    for service in services:
        service.end()


@pytest.fixture(scope="module")
def gemma(gemma_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that is ready, for all tests that only ask it something."""
    service = started(gemma_cache, tmp_path_factory.mktemp("gemma") / "llm.log", "--context", "2048")
    try:
        service.wait_until("/health")
        yield service
    finally:
        service.end()


def ask(service: Service, prompt: str, **options: object) -> dict[str, Any]:
    body = {"model": "gemma-3-270m", "prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": 5, **options}
    answer = httpx.post(f"{service.url}/v1/completions", json=body, timeout=120, trust_env=False)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_it_answers_with_log_probabilities_and_computes_a_common_beginning_once(gemma: Service) -> None:
    first = ask(gemma, BEGINNING + "祝福：石榴红了，您的笑比它还甜。\n评价：")
    again = ask(gemma, BEGINNING + "祝福：哦。\n评价：")
    assert first["choices"][0]["text"]
    content = again["choices"][0]["logprobs"]["content"]
    assert len(content) == 1
    assert len(content[0]["top_logprobs"]) == 5
    assert content[0]["logprob"] < 0
    usage = again["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    assert usage["prompt_tokens"] > 200
    assert cached > 0.9 * usage["prompt_tokens"]
    assert again["timings"]["prompt_n"] == usage["prompt_tokens"] - cached


def test_prompts_that_take_turns_are_each_computed_once(gemma: Service) -> None:
    beginnings = [f"{word}。{BEGINNING}" for word in ("甲", "乙")]
    for beginning in beginnings:
        ask(gemma, f"{beginning}祝福：春天好。\n评价：")
    for beginning in beginnings:
        usage = ask(gemma, f"{beginning}祝福：冬天好。\n评价：")["usage"]
        assert usage["prompt_tokens_details"]["cached_tokens"] > 0.9 * usage["prompt_tokens"]


def test_it_is_named_by_its_alias_and_shows_no_prompts(gemma: Service) -> None:
    models = httpx.get(f"{gemma.url}/v1/models", timeout=30, trust_env=False).json()
    assert [model["id"] for model in models["data"]] == ["gemma-3-270m"]
    page = httpx.get(f"{gemma.url}/", timeout=30, trust_env=False, headers={"Origin": "http://page.example"})
    assert page.status_code == 404
    assert page.headers.get("access-control-allow-origin") in {None, ""}
    assert httpx.get(f"{gemma.url}/slots", timeout=30, trust_env=False).status_code == 501


def test_no_prompt_reaches_its_log(gemma: Service) -> None:
    ask(gemma, SECRET)
    url = f"{gemma.url}/v1/completions"
    for body in (f'{{"prompt": "{SECRET}', f'{{"prompt": "{SECRET}", "max_tokens": "x"}}', f'["{SECRET}"]'):
        httpx.post(url, content=body.encode(), timeout=60, trust_env=False)
    too_long = httpx.post(url, json={"prompt": SECRET * 2000, "max_tokens": 1}, timeout=60, trust_env=False)
    assert too_long.status_code == 400
    assert SECRET not in gemma.printed()
    assert "ready" in gemma.printed()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_also_in_the_middle_of_an_answer(start: Start, number: signal.Signals) -> None:
    service = start()
    service.wait_until("/health")
    service.wait_for_event(event="ready")
    lost: list[Exception] = []

    def write_long() -> None:
        try:
            ask(service, "从前", max_tokens=5000, ignore_eos=True)
        except httpx.TransportError as error:
            lost.append(error)

    asking = threading.Thread(target=write_long)
    asking.start()
    asking.join(1.0)
    assert asking.is_alive()
    service.send(number)
    assert service.wait(END_SECONDS) == 0
    asking.join(END_SECONDS)
    assert lost
    assert "stopped" in service.printed()


def test_a_signal_while_it_loads_ends_it_too(start: Start) -> None:
    service = start()
    service.wait_for_event(event="loading")
    service.send(signal.SIGTERM)
    assert service.wait(END_SECONDS) in {0, -signal.SIGTERM}


def failed(service: Service) -> dict[str, Any]:
    """What a process that could not begin said of it."""
    service.wait(60)
    (line,) = (line for line in service.printed().splitlines() if '"cannot serve"' in line)
    return dict(json.loads(line))


def test_a_port_that_is_taken_is_told(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        service = start(port=port)
        said = failed(service)
    assert (service.wait(), said["code"]) == (3, "port_unavailable")
    assert str(port) in said["detail"]


@pytest.mark.parametrize("kind", ["missing", "text", "cut"])
def test_a_file_that_is_no_model_is_told(start: Start, gemma_cache: Path, tmp_path: Path, kind: str) -> None:
    model = tmp_path / f"{kind}.gguf"
    if kind == "text":
        model.write_text("恭喜发财")
    if kind == "cut":
        with (gemma_cache / "zhufu" / FILE_NAME).open("rb") as whole:
            model.write_bytes(whole.read(1_000_000))
    service = start("--model", str(model))
    said = failed(service)
    assert (service.wait(), said["code"]) == (4, "model_unusable")
    assert str(model) in said["detail"]


def test_another_model_by_path_is_named_after_its_file(start: Start, gemma_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "another.gguf").symlink_to(gemma_cache / "zhufu" / FILE_NAME)
    service = start("--model", str(tmp_path / "another.gguf"), "--context", "512", "--slots", "2")
    service.wait_until("/health")
    assert ask(service, "新年好", model="another")["model"] == "another"


def test_with_a_key_it_answers_nobody_else_but_says_to_all_that_it_is_healthy(start: Start) -> None:
    service = start("--host", "0.0.0.0", "--context", "512", api_key="of-the-judge")
    service.wait_until("/health")
    body = {"prompt": "新年好", "max_tokens": 1}
    for key, status in (("another", 401), ("of-the-judge", 200)):
        answer = httpx.post(
            f"{service.url}/v1/completions",
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
            trust_env=False,
        )
        assert answer.status_code == status, answer.text
    assert "of-the-judge" not in service.printed()
