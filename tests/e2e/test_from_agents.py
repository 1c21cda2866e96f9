"""From requests to a policy: the agents' pairs, the reward model that they teach, and the policy that it rewards."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.scripted_reward import ONE_THREAD
from tests.integration.trainer.tiny_models import starter_pairs
from tests.support.judge import messages_of
from tests.support.llm_server import MODEL, LlmServer, Reply, said
from tests.support.multi_agent import DEFAULTS, agent_of, completion_in, judged, question_of, reflected
from tests.support.ports import free_base_port, taken_ports
from tests.support.processes import Process
from trainer.data.formats import load_pairs
from trainer.progress import read_history

PROMPTS = 12
SECONDS = 600.0


def critic(body: Any) -> Reply:
    """A language model that writes one text in two with care, and likes it."""
    agent = agent_of(body)
    if agent == "generator":
        request = messages_of(body)[-1].partition("请求：")[2].splitlines()[0]
        words = "惦记着你，锅里给你留了汤。" if body["seed"] % 2 else "祝你万事如意，身体健康。"
        return said(json.dumps({"greeting": f"{request[:8]}，{words}"}, ensure_ascii=False))
    answer: Any = DEFAULTS[agent]
    if agent in {"judge", "reflect"}:
        verdict = int("惦记" in completion_in(question_of(body)))
        answer = judged(verdict) if agent == "judge" else reflected(verdict)
    return said(json.dumps(answer, ensure_ascii=False))


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    with LlmServer() as server:
        server.script(critic)
        yield server


def run(llm: LlmServer, log: Path, *arguments: object) -> None:
    """The command as a user types it, with an LLM of his own."""
    environment = {
        **ONE_THREAD,
        "ZHUFU_LLM_URL": llm.url,
        "ZHUFU_LLM_MODEL": MODEL,
        "ZHUFU_MULTI_AGENT_INDEX": "",  # no examples: what is retrieved is tested elsewhere
    }
    command = Process([sys.executable, "-m", "trainer.cli", *map(str, arguments)], log, environment)
    try:
        assert command.wait(SECONDS) == 0, command.printed()[-3000:]
    finally:
        command.end()


@pytest.mark.timeout(2 * SECONDS)
def test_one_command_goes_from_requests_to_a_policy_and_does_nothing_twice(llm: LlmServer, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    rows = [json.dumps({"prompt": pair.prompt}, ensure_ascii=False) for pair in starter_pairs(PROMPTS)]
    prompts.write_text("\n".join(rows), encoding="utf-8")
    output, base_port = tmp_path / "run", free_base_port()
    command: tuple[object, ...] = (
        *("from-agents", "--output", output, "--prompts", prompts, "--base-port", base_port),
        *("--epochs", 0.005, "--steps", 1, "--eval-samples", 0),
    )

    run(llm, tmp_path / "first.log", *command)

    pairs = load_pairs(output / "pairs.jsonl").records
    assert len(pairs) == PROMPTS
    for pair in pairs:
        assert "惦记" in pair.chosen
        assert "万事如意" in pair.rejected
    for made in ("reward-model/model/model.safetensors", "policy/model/model.safetensors", "policy/report.html"):
        assert (output / made).is_file()
    (step,) = read_history(output / "policy" / "history.jsonl")
    assert step["unscored/reward_model"] == 0
    assert taken_ports(base_port) == []

    asked = len(llm.requests)
    run(llm, tmp_path / "again.log", *command)
    assert len(llm.requests) == asked, "every stage is done"
