"""What the judge's benchmarks have in common: options, settings, metrics, and asking with an end."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue
from rich.console import Console

from benchmarks.judge_setup import (
    FIRST_LOOK,
    MOST_IN_A_ROW,
    add_judge_arguments,
    ask_each,
    bare_instructions,
    check_judge_arguments,
    failure_codes,
    for_each,
    judge_settings,
    read_samples,
    write_json,
)
from benchmarks.processes import BenchmarkFailed
from services.judge.principles import find_principles
from shared.client import RewardClient
from shared.schemas import RewardInfo, Rollout, Score
from tests.unit.benchmarks.scores import scored

LLM = {"llm_url": "http://127.0.0.1:9/v1", "llm_model": "some-model"}


class ScriptedReward(RewardClient):
    """Scores by its completion's length; those with a 坏 in it fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def score(
        self,
        rollouts: Sequence[Rollout],
        options: Mapping[str, JsonValue] | None = None,
        *,
        request_id: str | None = None,
    ) -> list[Score]:
        self.asked += [rollout.id for rollout in rollouts]
        return [scored(rollout.id, None if "坏" in rollout.completion else 0.5) for rollout in rollouts]

    async def info(self) -> RewardInfo:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


def silent() -> Console:
    return Console(file=io.StringIO())


def rollouts(*completions: str) -> list[Rollout]:
    return [Rollout(id=f"r{number}", prompt="贺寿", completion=text) for number, text in enumerate(completions)]


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_judge_arguments(parser)
    given = parser.parse_args(arguments)
    check_judge_arguments(parser, given)
    return given


@pytest.mark.parametrize(
    "arguments",
    [
        ["--llm-url", "http://127.0.0.1:9/v1"],
        ["--llm-model", "some-model"],
        ["--set", "samples"],
        ["--set", "=4"],
        ["--set", "llm_api_key=12345678"],
        ["--output", "no/such/folder/figures.json"],
    ],
)
def test_options_that_do_not_fit_together_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(*arguments)
    assert "error" in capsys.readouterr().err


def test_settings_may_hold_equals_signs() -> None:
    assert parsed("--set", "labels=a=b,c").set == ["labels=a=b,c"]


def test_settings_come_from_arguments_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_JUDGE_SAMPLES", "3")
    monkeypatch.setenv("ZHUFU_LLM_API_KEY", "not-for-this-one")
    settings = judge_settings({**LLM, "few_shot_limit": "8", "labels": "1,0", "llm_extra_body": '{"top_k": 1}'})
    assert (settings.samples, settings.few_shot_limit, settings.labels) == (1, 8, ("1", "0"))
    assert settings.llm_api_key is None
    assert settings.llm_extra_body == {"top_k": 1}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"no_such_setting": "1"}, "no setting no_such_setting"),
        ({"samples": "many"}, "samples"),
        ({"llm_extra_body": "{"}, "JSON"),
    ],
)
def test_settings_that_the_judge_does_not_take_end_the_run(settings: dict[str, str], reason: str) -> None:
    with pytest.raises(BenchmarkFailed, match=reason):
        judge_settings({**LLM, **settings})


def test_bare_instructions_have_the_rules_and_nothing_of_the_fence() -> None:
    principles = find_principles("greetings-v1")
    text = bare_instructions(principles)
    assert all(rule in text for rule in principles.rules)
    assert "标记" not in text
    assert "{" not in text


def test_samples_are_told_apart_by_their_label() -> None:
    text = (
        "# TYPE tokens_total counter\n"
        'tokens_total{kind="prompt"} 12.0\ntokens_total{kind="completion"} 3.0\n'
        "# TYPE up gauge\nup 1.0\n"
        '# TYPE routes gauge\nroutes{route="/a",status="200"} 2.0\nroutes{route="/b",status="200"} 3.0\n'
    )
    assert read_samples(text) == {
        ("tokens_total", "prompt"): 12.0,
        ("tokens_total", "completion"): 3.0,
        ("up", ""): 1.0,
        ("routes", ""): 5.0,
    }


async def test_results_are_in_order_whoever_is_done_first() -> None:
    under_way, most = 0, 0

    async def do(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001 * (5 - number))
        under_way -= 1
        return 10 * number

    done = await for_each(range(5), do, console=silent(), title="doing", at_once=3)
    assert done == [0, 10, 20, 30, 40]
    assert most == 3
    assert await for_each([], do, console=silent(), title="nothing") == []


async def test_an_error_is_told_as_itself() -> None:
    async def do(number: int) -> int:
        raise BenchmarkFailed(f"number {number}")

    with pytest.raises(BenchmarkFailed, match="number"):
        await for_each(range(4), do, console=silent(), title="failing", at_once=2)


async def test_what_fails_is_kept_as_failed() -> None:
    answers = await ask_each(ScriptedReward(), rollouts("好", "坏"), console=silent(), title="asking")
    assert [answer.score.reward for answer in answers] == [0.5, None]
    assert failure_codes([answer.score for answer in answers]) == {"llm_timeout": 1}


async def test_where_the_llm_is_gone_the_run_ends() -> None:
    reward = ScriptedReward()
    with pytest.raises(BenchmarkFailed, match=f"{MOST_IN_A_ROW} in a row were not scored"):
        await ask_each(reward, rollouts("好", *["坏"] * 100), console=silent(), title="asking")
    assert len(reward.asked) == 1 + MOST_IN_A_ROW


async def test_where_nothing_is_scored_the_run_ends_soon_and_says_why() -> None:
    reward = ScriptedReward()
    with pytest.raises(BenchmarkFailed, match=f"{FIRST_LOOK} x llm_timeout; the first: no answer"):
        await ask_each(reward, rollouts(*["坏"] * 100), console=silent(), title="asking")
    assert len(reward.asked) == FIRST_LOOK


def test_figures_are_written_as_json_and_never_as_nan(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, {"auc": 0.5, "name": "寿"}, silent())
    assert json.loads(path.read_text(encoding="utf-8")) == {"auc": 0.5, "name": "寿"}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"auc": float("nan")}, silent())
