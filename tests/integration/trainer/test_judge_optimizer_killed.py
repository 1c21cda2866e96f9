"""``zhufu optimize-judge`` as a process that is killed at random places: the end is that of an undisturbed run."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.optimizer_world import World, drifting, role_of, write_labelled, write_rules
from tests.support.effort import KILLS
from tests.support.llm_server import LlmServer, Reply, failing
from tests.support.processes import Process

ENDED_SECONDS = 60.0
RESULTS = ("rounds.jsonl", "principles.yaml", "test.json")


def one_fails(role: str, body: Mapping[str, Any]) -> Reply | None:
    """One generator's call of a few is always refused: failures are replayed, too."""
    return failing(400) if role == "generator" and "1号请求" in body["messages"][-1]["content"] else None


@pytest.fixture
def world(llm: LlmServer) -> World:
    """Answers slowly enough for a kill to find something under way."""
    world = World(
        detector_rules=drifting,
        instead=one_fails,
        delay=lambda question: 0.002 if role_is_detector(question) else 0.02,
    )
    llm.script(world)
    return world


def role_is_detector(question: str) -> bool:
    return question.endswith("评审：")


def arguments(folder: Path, url: str, output: str) -> list[str]:
    data = {
        "train": write_labelled(folder / "train.jsonl", 1000, 20),
        "validation": write_labelled(folder / "validation.jsonl", 2000, 6),
        "test": write_labelled(folder / "test.jsonl", 3000, 6),
        "principles": write_rules(folder / "detector.yaml", ["情真意切。本领5"]),
        "generator-rules": write_rules(folder / "generator.yaml", ["写得空泛。"]),
        "validation-rows": 12,
        "test-rows": 12,
        "rounds": 5,
        "llm-url": url,
        "output": folder / output,
    }
    return ["optimize-judge", *(str(part) for name, value in data.items() for part in (f"--{name}", value))]


def optimizer(folder: Path, url: str, output: str, *flags: str) -> Process:
    environment = {"ZHUFU_LLM_MODEL": "test-model", "ZHUFU_LLM_MAX_TRIES": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "trainer.cli", *arguments(folder, url, output), *flags]
    return Process(command, folder / f"{output}.log", environment)


def wait_for(condition: Any, process: Process) -> None:
    deadline = time.monotonic() + ENDED_SECONDS
    while process.running and not condition():
        assert time.monotonic() < deadline, process.printed()[-3000:]
        time.sleep(0.001)


def results(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in RESULTS]


def test_kills_at_random_places_change_nothing(tmp_path: Path, llm: LlmServer, world: World) -> None:
    undisturbed = optimizer(tmp_path, llm.url, "undisturbed")
    assert undisturbed.wait(ENDED_SECONDS) == 0, undisturbed.printed()
    asked_for_all = len(llm.requests)
    llm.requests.clear()

    source = random.Random(7)
    places = sorted(source.sample(range(1, asked_for_all), KILLS))
    killed = 0
    for number, place in enumerate(places):
        flags = ["--resume"] if number else []
        process = optimizer(tmp_path, llm.url, "killed", *flags)
        wait_for(lambda place=place: len(llm.requests) >= place, process)
        if not process.running:
            break
        time.sleep(source.uniform(0, 0.01))
        process.kill()
        killed += 1
    assert killed == KILLS

    last = optimizer(tmp_path, llm.url, "killed", "--resume")
    assert last.wait(ENDED_SECONDS) == 0, last.printed()
    assert results(tmp_path / "killed") == results(tmp_path / "undisturbed")
    # What was under way at a kill is asked again, nothing else.
    assert asked_for_all <= len(llm.requests) <= asked_for_all + KILLS * 32
    rounds = [json.loads(line)["round"] for line in (tmp_path / "killed" / "rounds.jsonl").read_text().splitlines()]
    assert rounds == list(range(6))


def test_an_interrupted_run_says_nothing_wrong_and_goes_on(tmp_path: Path, llm: LlmServer, world: World) -> None:
    undisturbed = optimizer(tmp_path, llm.url, "undisturbed")
    assert undisturbed.wait(ENDED_SECONDS) == 0, undisturbed.printed()
    llm.requests.clear()

    process = optimizer(tmp_path, llm.url, "interrupted")
    wait_for(lambda: len(llm.requests) >= 40, process)
    process.send(signal.SIGINT)
    assert process.wait(ENDED_SECONDS) == 130
    assert "Traceback" not in process.printed()

    process = optimizer(tmp_path, llm.url, "interrupted", "--resume")
    assert process.wait(ENDED_SECONDS) == 0, process.printed()
    assert results(tmp_path / "interrupted") == results(tmp_path / "undisturbed")
    assert {role_of(asked.body) for asked in llm.requests} >= {"generator", "detector", "detector_rules"}
