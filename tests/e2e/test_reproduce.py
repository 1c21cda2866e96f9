"""The paper's comparison from its files to its tables: every command for real, at the smallest size, with kills."""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.scripted_reward import ONE_THREAD
from tests.support.effort import SLOW
from tests.support.judge import labelled, messages_of, shown_in
from tests.support.llm_server import MODEL, LlmServer, Reply, said
from tests.support.paper_release import write_release
from tests.support.ports import free_base_port, taken_ports
from tests.support.processes import Process
from trainer.reproduce.rows import ROWS

pytestmark = [
    pytest.mark.skipif(not SLOW, reason="takes minutes: set ZHUFU_SLOW_TESTS=1"),
    pytest.mark.timeout(3_600),
]

SECONDS = 1_500.0
ROWS_OF_A_FILE = 200
STEPS = 15


def taste(text: str) -> float:
    """A number from 0 to 1 that a text has."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32


def critic(body: Any) -> Reply:
    """A language model that plays the judge and all roles of the optimizer."""
    role = body.get("response_format", {}).get("json_schema", {}).get("name")
    question = messages_of(body)[-1]
    if role is None:
        return labelled(0.2 + 0.6 * taste("".join(shown_in(body))))
    answers: dict[str, dict[str, Any]] = {
        "generator": {"greeting": f"祝福第{len(question)}号，一切都好。", "explanation": "太泛"},
        "detector": {"reason": "读过了", "verdict": int(taste(question) < 0.5)},
        "adviser": {"suggestion": "藏得好些"},
        "reflector": {"error": "看错了", "suggestion": "看仔细"},
    }
    rules = {"rules": re.findall(r"^\d+\. (.*)$", question, re.MULTILINE)}
    return said(json.dumps(answers.get(role, rules), ensure_ascii=False))


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    with LlmServer() as server:
        server.script(critic)
        yield server


class Reproduction:
    """The command, given again and again."""

    def __init__(self, llm: LlmServer, folder: Path) -> None:
        self.output = folder / "run"
        self.port = free_base_port()
        self._paper = write_release(folder / "paper", rows=ROWS_OF_A_FILE)
        self._log = folder / "run.log"
        self._environment = {**ONE_THREAD, "ZHUFU_LLM_URL": llm.url, "ZHUFU_LLM_MODEL": MODEL}

    def start(self) -> Process:
        options = ("--data", self._paper, "--output", self.output, "--base-port", self.port)
        command = [sys.executable, "-m", "tests.e2e.tiny_reproduce", *map(str, options)]
        return Process(command, self._log, self._environment)

    @property
    def done(self) -> set[str]:
        records = [json.loads(path.read_text()) for path in (self.output / "steps").glob("*.json")]
        return {record["name"] for record in records if record["done"]}

    def finish(self) -> Process:
        process = self.start()
        try:
            assert process.wait(SECONDS) == 0, process.printed()[-5000:]
        finally:
            process.end()
        return process


@pytest.fixture
def reproduction(llm: LlmServer, tmp_path: Path) -> Reproduction:
    return Reproduction(llm, tmp_path)


def test_the_paper_s_comparison_runs_to_its_tables_and_survives_a_kill_in_every_step(
    reproduction: Reproduction, llm: LlmServer
) -> None:
    chance = random.Random(20261128)
    while len(reproduction.done) < STEPS:
        before = len(reproduction.done)
        process = reproduction.start()
        deadline = time.monotonic() + SECONDS
        while process.running and len(reproduction.done) <= before:
            assert time.monotonic() < deadline, process.printed()[-5000:]
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 6))  # somewhere in the next step
        if process.running:
            process.send(signal.SIGKILL)
        process.wait(60)
    asked = len(llm.requests)
    last = reproduction.finish()

    output = reproduction.output
    result = json.loads((output / "result.json").read_text(encoding="utf-8"))
    assert set(result["policies"]["models"]) == {row.name for row in ROWS}
    assert {each["row"] for each in result["verdicts"]} == {row.name for row in ROWS} - {"base"}
    assert {"reward_model", "judge", "length rule"} <= set(result["rewards"]["columns"])
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "did not converge" in page
    assert "SFT+judge+RL" in last.printed()
    assert taken_ports(reproduction.port) == []
    assert len(llm.requests) == asked, "what is done is not done again"
    assert all(each["attempts"] <= 3 for each in result["steps"])
