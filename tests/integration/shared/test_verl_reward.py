"""The reward function for verl against real services; verl's own managers call it in tests/integration/trainers."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.dialects import verl_reward
from shared.dialects.verl_reward import RewardMissing, compute_score, prompt_in
from tests.conftest import StartService
from tests.integration.shared.conftest import API_KEY
from tests.support.canned_server import CannedServer, canned, http_answer
from tests.support.processes import ROOT, Service, free_port
from tests.support.scorers import FAILS, FAILS_FOR_GOOD

ASKED = "给外婆的八十岁生日祝福"
WRITTEN = "外婆，院里的石榴又红了。"


@pytest.fixture(autouse=True)
async def _no_connection_is_left(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("ZHUFU_API_KEY", API_KEY)
    monkeypatch.delenv("ZHUFU_REWARD_URL", raising=False)
    yield
    await verl_reward.aclose()


async def reward_of(url: str, completion: str = WRITTEN, **changes: Any) -> float:
    values = {"ground_truth": "", "extra_info": {"prompt": ASKED}, "url": url, "timeout_seconds": 30, **changes}
    return await compute_score("greetings", completion, **values)


def scores(**score: Any) -> bytes:
    return json.dumps({"scores": [{"status": "scored", "reward": 0.5, "error": None, **score}]}).encode()


FAILED = {"code": "judge_unsure", "detail": "not yet", "retryable": True}


async def test_many_rewards_at_once_are_each_ones_own(http_service: Service) -> None:
    texts = [WRITTEN * count for count in range(1, 60)]
    rewards = await asyncio.gather(*(reward_of(http_service.url, text) for text in texts))
    assert rewards == [len(text) / 1000 for text in texts]


async def test_url_and_key_may_come_from_the_environment(
    http_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHUFU_REWARD_URL", f"{http_service.url}/")
    assert await reward_of("") == len(WRITTEN) / 1000
    monkeypatch.delenv("ZHUFU_API_KEY")
    with pytest.raises(RewardMissing, match="401"):
        await reward_of("")


async def test_options_reach_the_reward(http_service: Service) -> None:
    assert await reward_of(http_service.url, options={"mode": "polite"}) == len(WRITTEN) / 1000
    with pytest.raises(RewardMissing, match="mode is plain or polite"):
        await reward_of(http_service.url, options={"mode": "rude"})


@pytest.mark.parametrize("ground_truth", [None, "外婆", 3, math.nan, {"style": "rule"}, ["a"]])
async def test_whatever_the_data_set_holds_as_truth_there_is_a_reward(ground_truth: Any, http_service: Service) -> None:
    assert await reward_of(http_service.url, ground_truth=ground_truth) == len(WRITTEN) / 1000


async def test_a_failure_for_good_is_no_reward_and_no_exception(http_service: Service) -> None:
    with pytest.raises(RewardMissing, match="refused: this one is not scored") as caught:
        await reward_of(http_service.url, WRITTEN + FAILS_FOR_GOOD)
    assert not isinstance(caught.value, Exception), "verl would make a reward of 0 of it"


async def test_a_failure_that_lasts_is_no_reward_when_the_time_is_up(http_service: Service) -> None:
    with pytest.raises(RewardMissing, match="no reward within 1 seconds; at last: judge_unsure"):
        await reward_of(http_service.url, WRITTEN + FAILS, timeout_seconds=1)


@pytest.mark.parametrize(
    "first",
    [
        http_answer("503 Service Unavailable", Retry_After="0"),
        http_answer("429 Too Many Requests", Retry_After="soon"),
        http_answer("502 Bad Gateway"),
        http_answer("200 OK", scores(status="failed", reward=None, error=FAILED)),
        b"",
    ],
    ids=["away", "busy", "proxy", "failed", "cut"],
)
async def test_what_another_try_may_mend_is_tried_again(first: bytes) -> None:
    server: CannedServer
    async with canned(first, first, http_answer("200 OK", scores())) as server:
        assert await reward_of(server.url) == 0.5
    assert len(server.asked_at) == 3


@pytest.mark.parametrize(
    "body",
    [
        "祝福".encode("gbk"),
        b"[]",
        b'{"scores": []}',
        scores(reward=None),
        scores(status="failed", reward=None),
        scores(reward="much"),
    ],
)
async def test_an_answer_of_something_else_is_no_reward(body: bytes) -> None:
    async with canned(http_answer("200 OK", body)) as server:
        with pytest.raises(RewardMissing, match="not that of a zhufu service"):
            await reward_of(server.url)


async def test_an_outage_is_waited_out(start_service: StartService) -> None:
    port = free_port()
    asking = asyncio.create_task(reward_of(f"http://127.0.0.1:{port}", timeout_seconds=120))
    await asyncio.sleep(0.5)
    start_service(port=port)
    assert await asking == len(WRITTEN) / 1000


async def test_without_a_url_there_is_no_reward() -> None:
    with pytest.raises(RewardMissing, match="no URL"):
        await reward_of("")


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"prompt": ASKED}, None),
        ({"question": ASKED, "index": 3}, None),
        ({"prompt": None, "question": ASKED}, None),
        ({"prompt": "other", "request": ASKED}, "request"),
        ({"prompt": [{"role": "system", "content": "写。"}, {"role": "user", "content": ASKED}]}, None),
        ({"prompt": ({"role": "user", "content": ASKED}, {"role": "assistant", "content": "好"})}, None),
    ],
)
def test_the_prompt_is_found_in_the_row(row: dict[str, Any], key: str | None) -> None:
    assert prompt_in(row, key) == ASKED


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({}, None),
        ({"prompt": " "}, None),
        ({"prompt": [{"role": "system", "content": "写。"}]}, None),
        ({"prompt": []}, None),
        ({"prompt": ASKED}, "request"),
    ],
)
def test_a_row_without_a_prompt_has_no_reward(row: dict[str, Any], key: str | None) -> None:
    with pytest.raises(RewardMissing, match="prompt_key"):
        prompt_in(row, key)


def test_the_file_needs_nothing_of_this_project() -> None:
    program = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('custom', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "print(module.compute_score.__name__, *sorted(name for name in sys.modules if name.startswith('shared')))\n"
    )
    command = [sys.executable, "-I", "-c", program, str(ROOT / "shared" / "dialects" / "verl_reward.py")]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["compute_score"]
