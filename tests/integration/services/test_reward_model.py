"""The reward model service as a real process: scores, limits, hot swap under load."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.client import RewardClient
from shared.reward_format import Calibration, RewardFormat
from shared.schemas import Rollout
from tests.support.checkpoints import random_checkpoint
from tests.support.processes import RedisServer, Service, free_port

START_SECONDS = 120.0
KEY = "a-key-for-tests"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("checkpoints")
    random_checkpoint(folder / "v1", seed=1, positions=128)
    random_checkpoint(folder / "v2", seed=2, positions=128)
    random_checkpoint(folder / "two-labels", labels=2)
    RewardFormat(encoding="chat", max_tokens=128, calibration=Calibration(scale=2.0, bias=0.5)).write(folder / "v2")
    running = Service(
        [sys.executable, "-m", "services.reward_model.app"],
        tmp_path_factory.mktemp("log") / "service.log",
        {
            "ZHUFU_REWARD_MODEL_CHECKPOINT": "v1",
            "ZHUFU_REWARD_MODEL_CHECKPOINTS_DIR": str(folder),
            "ZHUFU_REWARD_MODEL_MAX_CHARACTERS": "400",
            "ZHUFU_API_KEYS": KEY,
            "OMP_NUM_THREADS": "1",
        },
        free_port(),
    )
    try:
        running.wait_until(timeout_seconds=START_SECONDS)
        yield running
    finally:
        running.end()


@pytest.fixture(autouse=True)
def _starts_with_v1(service: Service) -> None:
    assert activate(service, "v1").status_code == 200


def activate(service: Service, name: str) -> httpx.Response:
    return httpx.put(
        f"{service.url}/v1/checkpoint", json={"checkpoint": name}, headers=AUTHORIZED, timeout=60, trust_env=False
    )


def rollouts(count: int) -> list[Rollout]:
    return [
        Rollout(id=str(number), prompt="给外婆的生日祝福", completion="快乐，" * (1 + number % 17))
        for number in range(count)
    ]


async def test_every_rollout_gets_a_finite_logit_and_the_checkpoints_version(service: Service) -> None:
    async with RewardClient.from_url(service.url, api_key=KEY, timeout_seconds=60) as client:
        scores = await client.score(rollouts(100))
        info = await client.info()
    assert [score.status for score in scores] == ["scored"] * 100
    assert {score.version for score in scores} == {info.version}
    assert info.version.startswith("reward_model@v1#")
    assert info.range.minimum is None
    assert info.range.maximum is None
    by_text: dict[str, list[float]] = {}
    for rollout, score in zip(rollouts(100), scores, strict=True):
        assert score.reward is not None
        by_text.setdefault(rollout.completion, []).append(score.reward)
    assert all(max(rewards) - min(rewards) < 1e-4 for rewards in by_text.values()), "the batch changes the reward"


async def test_too_long_texts_fail_alone(service: Service) -> None:
    asked = [
        Rollout(id="fine", prompt="生日", completion="快乐"),
        Rollout(id="characters", prompt="生日", completion="快" * 500),
        Rollout(id="tokens", prompt="生日", completion="快" * 200),
    ]
    async with RewardClient.from_url(service.url, api_key=KEY, timeout_seconds=60) as client:
        scores = await client.score(asked)
    assert [score.status for score in scores] == ["scored", "failed", "failed"]
    for score in scores[1:]:
        assert score.error is not None
        assert score.error.code == "text_too_long"
        assert not score.error.retryable


async def test_an_empty_completion_has_a_reward(service: Service) -> None:
    async with RewardClient.from_url(service.url, api_key=KEY, timeout_seconds=60) as client:
        (score,) = await client.score([Rollout(id="1", prompt="生日", completion="")])
    assert score.status == "scored"


async def test_a_calibrated_checkpoint_gives_a_probability(service: Service) -> None:
    assert activate(service, "v2").status_code == 200
    async with RewardClient.from_url(service.url, api_key=KEY, timeout_seconds=60) as client:
        scores = await client.score(rollouts(20))
    for score in scores:
        assert 0 < score.components["probability"] < 1
    ordered = sorted(scores, key=lambda score: score.reward or 0.0)
    probabilities = [score.components["probability"] for score in ordered]
    assert probabilities == sorted(probabilities)


async def test_swapping_under_load_drops_no_request_and_names_each_version(service: Service) -> None:
    versions: set[str] = set()
    stop = asyncio.Event()
    count = 0

    async def keep_scoring(client: RewardClient) -> None:
        nonlocal count
        while not stop.is_set():
            for score in await client.score(rollouts(5)):
                assert score.status == "scored", score.error
                versions.add(score.version)
                count += 1

    async with RewardClient.from_url(service.url, api_key=KEY, timeout_seconds=60) as client:
        scoring = [asyncio.create_task(keep_scoring(client)) for _ in range(8)]
        for name in ("v2", "v1", "v2"):
            await asyncio.sleep(0.3)
            assert (await asyncio.to_thread(activate, service, name)).status_code == 200
        await asyncio.sleep(0.3)
        stop.set()
        await asyncio.gather(*scoring)
    assert count > 50
    assert {version.partition("#")[0] for version in versions} == {"reward_model@v1", "reward_model@v2"}
    gauges = {name for name in service.metrics() if name.startswith("zhufu_reward_model_checkpoint_info")}
    assert len(gauges) == 1


def test_what_cannot_be_served_is_refused_and_the_old_one_goes_on(service: Service) -> None:
    for name in ("two-labels", "nothing"):
        refused = activate(service, name)
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == "invalid_request"
    for path in ("../v1", "/etc", "v1/.."):
        assert activate(service, path).status_code == 422
    shown = httpx.get(f"{service.url}/v1/checkpoint", headers=AUTHORIZED, timeout=10, trust_env=False).json()
    assert shown["active"]["checkpoint"] == "v1"
    assert shown["checkpoints"] == ["two-labels", "v1", "v2"]


def test_checkpoints_are_not_shown_or_swapped_without_a_key(service: Service) -> None:
    assert httpx.get(f"{service.url}/v1/checkpoint", timeout=10, trust_env=False).status_code == 401
    answer = httpx.put(f"{service.url}/v1/checkpoint", json={"checkpoint": "v2"}, timeout=10, trust_env=False)
    assert answer.status_code == 401


def test_a_checkpoint_that_is_not_there_ends_the_process_with_its_reason(tmp_path: Path) -> None:
    process = Service(
        [sys.executable, "-m", "services.reward_model.app"],
        tmp_path / "log",
        {"ZHUFU_REWARD_MODEL_CHECKPOINT": str(tmp_path / "nothing"), "OMP_NUM_THREADS": "1"},
        free_port(),
    )
    assert process.wait(START_SECONDS) == 1
    logged = [json.loads(line) for line in process.printed().splitlines() if line.startswith("{")]
    assert any(line.get("event") == "start_failed" and "no such folder" in line["exception"] for line in logged)


async def test_the_queue_gives_the_same_rewards_as_http(redis_server: RedisServer, tmp_path: Path) -> None:
    checkpoint = random_checkpoint(tmp_path / "checkpoint")
    environment = {
        "ZHUFU_REWARD_MODEL_CHECKPOINT": str(checkpoint),
        "ZHUFU_REDIS_URL": redis_server.url,
        "OMP_NUM_THREADS": "1",
    }
    process = Service([sys.executable, "-m", "services.reward_model.app"], tmp_path / "log", environment, free_port())
    try:
        process.wait_until(timeout_seconds=START_SECONDS)
        async with (
            RewardClient.from_url(process.url, timeout_seconds=60) as direct,
            RewardClient.from_url(f"{redis_server.url}?reward=reward_model", timeout_seconds=60) as queued,
        ):
            by_http = [score.reward for score in await direct.score(rollouts(50))]
            by_queue = [score.reward for score in await queued.score(rollouts(50))]
        assert by_queue == pytest.approx(by_http, abs=1e-4)
    finally:
        process.end()
    with redis_server.client() as client:
        client.delete("zhufu:{reward_model}:info")
