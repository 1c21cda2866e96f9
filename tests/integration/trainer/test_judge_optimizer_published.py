"""Learned principles, handed to a real judge, which judges by them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.errors import InvalidRequest, InvalidUrl, RewardProtocolError, RewardRejected, RewardUnavailable
from shared.principles import Principles, load_principles
from tests.integration.trainer.commands import Ended, Zhufu
from tests.integration.trainer.optimizer_world import (
    World,
    fixed_part_of,
    only_these_llm_settings,
    write_labelled,
    write_rules,
)
from tests.support.canned_server import canned, http_answer
from tests.support.judge import StartJudge
from tests.support.llm_server import LlmServer, Reply
from tests.support.processes import free_port
from trainer.judge_optimizer import publish as module
from trainer.judge_optimizer.publish import publish

LEARNED = ["合乎请求。", "本领9"]
ROLLOUT = {"id": "1", "prompt": "第9001号请求", "completion": "这是好的一句话，第9001号祝福"}


def rules(**changes: Any) -> Principles:
    values = {"id": "learned-v1", "obtained": "为测试而写", "rules": LEARNED, **changes}
    return Principles.model_validate(values)


@pytest.fixture(autouse=True)
def _llm_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    only_these_llm_settings(monkeypatch, model="test-model")


def run(zhufu: Zhufu, folder: Path, llm: LlmServer, *more: object) -> Ended:
    return zhufu(
        "optimize-judge",
        *("--output", folder / "run", "--llm-url", llm.url, "--rounds", 1, "--id", "learned-v1"),
        *("--train", write_labelled(folder / "train.jsonl", 1000, 8)),
        *("--validation", write_labelled(folder / "validation.jsonl", 2000, 10)),
        *("--test", write_labelled(folder / "test.jsonl", 3000, 10)),
        *("--principles", write_rules(folder / "start.yaml", ["合乎请求。"])),
        *more,
    )


def judged_by(world: World) -> Any:
    """The optimizer's world; the judge's verdict mode is asked like its Detector."""

    def script(body: Mapping[str, Any]) -> Reply:
        name = body["response_format"]["json_schema"]["name"]
        if name != "verdict":
            return world(body)
        renamed = {"json_schema": {**body["response_format"]["json_schema"], "name": "detector"}}
        return world({**body, "response_format": renamed})

    return script


def test_a_finished_run_is_served_at_once_and_judges_the_next_rollout(
    zhufu: Zhufu, tmp_path: Path, llm: LlmServer, start_judge: StartJudge
) -> None:
    llm.script(judged_by(World(detector_rules=lambda _: LEARNED)))
    judge = start_judge(llm, mode="verdict", api_keys="a-key-of-the-judge")
    judge.wait_until()

    ended = run(zhufu, tmp_path, llm, "--publish", judge.url, "--api-key", "a-key-of-the-judge")

    assert ended.status == 0, ended.err
    learned = load_principles(tmp_path / "run" / "principles.yaml")
    assert learned.rules == LEARNED
    assert f"published: the judge goes by {learned.version}" in ended.out
    headers = {"Authorization": "Bearer a-key-of-the-judge"}
    answered = httpx.post(f"{judge.url}/v1/score", json={"rollouts": [ROLLOUT]}, headers=headers, timeout=30).json()
    (score,) = answered["scores"]
    assert score["status"] == "scored", score
    assert learned.version in score["version"]
    assert any("2. 本领9" in fixed_part_of(asked.body) for asked in list(llm.requests)[-1:])
    known = httpx.get(f"{judge.url}/v1/principles", headers=headers, timeout=30).json()
    assert known["active"]["version"] == learned.version
    served = next(each for each in known["principles"] if each["id"] == "learned-v1")
    assert served["parent"] == "start-v1"
    assert served["measured"]["agreement"] == 0.9


def test_a_stopped_run_is_published_only_where_that_is_wanted_and_under_another_id(
    zhufu: Zhufu, tmp_path: Path, llm: LlmServer, start_judge: StartJudge
) -> None:
    llm.script(World(detector_rules=lambda _: LEARNED))
    judge = start_judge(llm)
    judge.wait_until()

    ended = run(zhufu, tmp_path, llm, "--publish", judge.url, "--max-calls", 60)
    assert ended.status == 3
    assert "not published" in ended.err
    ended = run(zhufu, tmp_path, llm, "--publish", judge.url, "--max-calls", 60, "--resume", "--publish-best")
    assert ended.status == 3
    assert "published" in ended.out
    best = load_principles(tmp_path / "run" / "best.yaml")
    assert best.id.startswith("learned-v1-r")
    known = httpx.get(f"{judge.url}/v1/principles", timeout=30).json()
    assert known["active"]["version"] == best.version


def test_a_wrong_key_or_an_id_that_is_taken_is_an_error_that_says_so(
    zhufu: Zhufu, tmp_path: Path, llm: LlmServer, start_judge: StartJudge
) -> None:
    judge = start_judge(llm, api_keys="a-key-of-the-judge")
    judge.wait_until()

    with pytest.raises(RewardRejected, match="401"):
        publish(rules(), judge.url, api_key="another-key")
    publish(rules(), judge.url, api_key="a-key-of-the-judge")
    publish(rules(), judge.url, api_key="a-key-of-the-judge")
    with pytest.raises(RewardRejected, match="is the id of other principles"):
        publish(rules(rules=["别的。"]), judge.url, api_key="a-key-of-the-judge")


def test_a_judge_that_is_away_is_waited_for_and_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    with pytest.raises(RewardUnavailable, match="ConnectError"):
        publish(rules(), f"http://user:secret@127.0.0.1:{free_port()}", api_key=None)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        ("200 OK", b"<html>", RewardProtocolError),
        ("200 OK", b'{"id": "x", "version": "x#1"}', RewardProtocolError),
        ("500 Internal Server Error", b"", RewardProtocolError),
        ("302 Found", b"", RewardProtocolError),
        ("404 Not Found", b"{}", RewardRejected),
    ],
)
async def test_what_is_no_judge_is_told_apart(status: str, body: bytes, error: type[Exception]) -> None:
    async with canned(http_answer(status, body)) as server:
        with pytest.raises(error):
            await asyncio.to_thread(publish, rules(), server.url, api_key=None)


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(InvalidUrl):
        publish(rules(), "redis://127.0.0.1", api_key=None)
    with pytest.raises(InvalidUrl):
        publish(rules(), "http://", api_key=None)
    with pytest.raises(InvalidRequest):
        publish(rules(), "http://127.0.0.1:1", api_key="schlüssel")
