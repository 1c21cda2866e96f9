"""`zhufu sample` with the real agents: kills ask no question twice and change nothing in the files."""

from __future__ import annotations

import collections
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.trainer.commands import wait_while_it_runs
from tests.integration.trainer.sampling_command import results_in, sample_process, write_prompts
from tests.support.effort import KILLS
from tests.support.llm_server import LlmServer, truncated
from tests.support.multi_agent import SamplingCast, completion_in, judged, multi_agent_service, reflected
from tests.support.processes import RedisServer, Service

PROMPTS = [f"给第{number}位老师的教师节祝福" for number in range(40)]
CARE, CLICHE = "老师，您批过的作文还压在我的书桌玻璃下。", "祝老师万事如意，身体健康，工作一切顺利。"


class Critic(SamplingCast):
    """Writes with and without care by turns, knows the difference, and is cut off in the middle now and then."""

    def __init__(self) -> None:
        super().__init__(
            [CARE, CLICHE, truncated('{"greeting": "老师')],
            judge=lambda question: judged(int(completion_in(question) == CARE)),
            reflect=lambda question: reflected(int(completion_in(question) == CARE)),
            delay_seconds=0.02,
        )


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    with LlmServer() as server:
        server.script(Critic())
        yield server


@pytest.fixture
def agents(llm: LlmServer, redis_server: RedisServer, tmp_path: Path) -> Iterator[Service]:
    service = multi_agent_service(tmp_path / "agents.log", llm, redis_server, max_concurrent_batches=4)
    try:
        service.wait_until()
        yield service
    finally:
        service.end()


def test_kills_ask_no_question_twice_and_end_with_the_files_of_an_undisturbed_run(
    agents: Service, llm: LlmServer, redis_server: RedisServer, tmp_path: Path
) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", PROMPTS)
    killed, undisturbed = results_in(tmp_path / "killed"), results_in(tmp_path / "undisturbed")
    chance = random.Random(20261124)

    def command(output: Path) -> list[object]:
        resume = ["--resume"] if output.with_suffix(".journal").exists() else []
        url = f"{redis_server.url}?reward=multi_agent"
        return ["--prompts", prompts, "--output", output, "--url", url, "--candidates", 3, "--concurrency", 4, *resume]

    for target in sorted(chance.sample(range(1, len(PROMPTS)), KILLS)):
        process = sample_process(tmp_path / "killed.log", *command(killed.files.pairs))
        wait_while_it_runs(process, lambda target=target: len(killed.ended) >= target)  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
    last = sample_process(tmp_path / "killed.log", *command(killed.files.pairs))
    assert last.wait(90) == 0, last.printed()[-3000:]
    asked = collections.Counter(json.dumps(each.body, sort_keys=True) for each in llm.requests)
    assert set(asked.values()) == {1}, "the service's cache had all that was asked before a kill"

    other = sample_process(tmp_path / "undisturbed.log", *command(undisturbed.files.pairs))
    assert other.wait(90) == 0, other.printed()[-3000:]
    assert len(llm.requests) == asked.total(), "it ran on cached answers"
    assert killed.files.pairs.read_bytes() == undisturbed.files.pairs.read_bytes()
    assert killed.files.samples.read_bytes() == undisturbed.files.samples.read_bytes()
    assert [row["prompt"] for row in killed.pairs] == PROMPTS
    assert {(row["chosen"], row["rejected"]) for row in killed.pairs} == {(CARE, CLICHE)}
    errors = [each["error"]["code"] for row in killed.samples for each in row["sample"]["candidates"] if each["error"]]
    assert errors == ["generator_llm_truncated"] * len(PROMPTS)
    assert undisturbed.summary["tokens"]["total"] == 0
