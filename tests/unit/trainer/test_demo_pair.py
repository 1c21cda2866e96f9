"""The demo's last stage: what is asked of the agents, and what is shown of it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Self

import pytest
from pydantic import JsonValue
from rich.console import Console

from shared.client import RewardClient
from shared.errors import RewardUnavailable
from shared.schemas import Rollout, Score, ScoreFailure, Usage
from trainer.demo_pair import first_pair, show

CONSOLE = Console(quiet=True)
PAID = Usage(prompt_tokens=90, completion_tokens=10)


def candidate(index: int, verdict: int) -> dict[str, Any]:
    return {
        "index": index,
        "transcript": [
            {"step": "retrieval", "round": 0, "answer": [{"prompt": "祝外公", "completion": "外公好。"}]},
            {"step": "negative", "round": 1, "answer": {"flaws": []}},
            {"step": "positive", "round": 1, "answer": {"merits": [{"aspect": "feeling", "why": "情意真"}]}},
            {"step": "reflect", "round": 1, "answer": {"reason": "维持", "verdict": verdict}, "note": "override"},
        ],
    }


def sample(pair: dict[str, Any] | None) -> dict[str, Any]:
    return {"pair": pair, "no_pair": None if pair else "all_good", "candidates": [candidate(0, 0), candidate(1, 1)]}


FOUND = sample({"chosen": "好的一条", "rejected": "差的一条", "chosen_index": 1})


class Agents:
    """Answers in turn: a sample, a failure code, or an error to be raised."""

    def __init__(self, *answers: dict[str, Any] | str | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.options: Mapping[str, JsonValue] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> list[Score]:
        self.asked += [rollout.prompt for rollout in rollouts]
        self.options = options
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        told: dict[str, Any] = {"id": "1", "version": "v", "latency_seconds": 0.0, "usage": PAID}
        if isinstance(answer, str):
            failure = ScoreFailure(code=answer, detail=f"{answer}!", retryable=False)
            return [Score(status="failed", reward=None, error=failure, **told)]
        return [Score(status="scored", reward=1.0, details={"sample": answer}, **told)]


async def found_by(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any] | str | Exception) -> Any:
    agents = Agents(*answers)
    monkeypatch.setattr(RewardClient, "from_url", lambda url, **_: agents)
    found = await first_pair("redis://x", [f"请求{number}" for number in range(3)], 4, CONSOLE)
    return agents, found


async def test_requests_are_tried_until_one_gives_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    agents, found = await found_by(monkeypatch, "judge_llm_truncated", FOUND)
    assert agents.asked == ["请求0", "请求1"]
    assert agents.options["task"] == "sample"
    assert (found.prompt, found.chosen, found.rejected) == ("请求1", "好的一条", "差的一条")
    assert found.why == ["请求0: judge_llm_truncated!"]
    assert found.tokens == 200
    said = {step.agent: step.said for step in found.debate}
    assert said["reflect"] == "维持\nverdict: 1 (override)", "of the chosen one"
    assert said["positive"] == "feeling: 情意真"
    assert said["negative"] == "no flaws"
    assert said["retrieval"] == "祝外公 → 外公好。"


async def test_where_none_gives_a_pair_each_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = await found_by(monkeypatch, sample(None), RewardUnavailable("away"), "generator_llm_timeout")
    assert found.chosen is None
    assert found.why == ["请求0: all_good", "请求1: away", "请求2: generator_llm_timeout!"]
    assert found.debate, "how the last candidate was weighed"
    output = io.StringIO()
    show(found, Console(file=output, width=100), is_stand_in=True)
    for line in (*found.why, "None of 3 requests gave a pair", "the stand-in", "维持"):
        assert line in output.getvalue()


async def test_a_pair_is_shown_with_its_transcript(monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = await found_by(monkeypatch, FOUND)
    output = io.StringIO()
    show(found, Console(file=output, width=100), is_stand_in=False)
    for line in ("好的一条", "差的一条", "feeling: 情意真", "100 tokens"):
        assert line in output.getvalue()
    assert "stand-in" not in output.getvalue()


async def test_a_long_text_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "愿你往后的日子里每一天都有热汤好梦和一扇为你亮着的窗户"
    pair = {"chosen": long, "rejected": "差的一条", "chosen_index": 1}
    _, found = await found_by(monkeypatch, sample(pair))
    output = io.StringIO()
    show(found, Console(file=output, width=40), is_stand_in=False)
    assert set(long) <= set(output.getvalue())
    assert "…" not in output.getvalue().partition("Transcript")[0]
