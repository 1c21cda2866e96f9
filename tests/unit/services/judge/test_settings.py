"""Settings of the judge: what does not fit together is refused at start-up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from services.judge.settings import JudgeSettings
from tests.unit.services.judge.made import settings

PANEL = [
    {"model": "甲", "url": "http://127.0.0.1:2/v1", "api": "completions", "api_key": "sk-panel-key"},
    {"model": "乙"},
]


def test_all_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "ZHUFU_LLM_URL": "http://127.0.0.1:1",
        "ZHUFU_LLM_MODEL": "common",
        "ZHUFU_JUDGE_LLM_MODEL": "own",
        "ZHUFU_JUDGE_LABELS": "是, 否",
        "ZHUFU_JUDGE_PANEL": json.dumps(PANEL),
        "ZHUFU_JUDGE_QUORUM": "1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    read = JudgeSettings()
    assert (read.llm_url, read.llm_model, read.labels, read.quorum) == ("http://127.0.0.1:1/v1", "own", ("是", "否"), 1)
    assert [member.model for member in read.panel] == ["甲", "乙"]


def test_without_an_llm_there_is_no_judge() -> None:
    with pytest.raises(ValidationError, match="ZHUFU_JUDGE_LLM_URL"):
        JudgeSettings.model_validate({"llm_model": "test-model"})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"labels": "好"}, "labels"),
        ({"labels": "好,差,中"}, "labels"),
        ({"labels": "好,好"}, "two different words"),
        ({"labels": "好,"}, "two different words"),
        ({"quorum": 2}, "a quorum of 2 of 1 votes"),
        ({"quorum": 0}, "quorum"),
        ({"quorum": 7, "panel": PANEL, "samples": 3}, "a quorum of 7 of 6 votes"),
        ({"samples": 0}, "samples"),
        ({"samples": 17}, "samples"),
        ({"mode": "guess"}, "mode"),
        ({"on_attack": "ignore"}, "on_attack"),
        ({"group_missing": "wait"}, "group_missing"),
        ({"group_orders": 17}, "group_orders"),
        ({"group_wait_seconds": 0}, "group_wait_seconds"),
        ({"least_label_mass": 1.1}, "least_label_mass"),
        ({"name": "Judge"}, "name"),
        ({"score_timeout_seconds": 100}, "less than one answer may take"),
        ({"mode": "group", "score_timeout_seconds": 185}, "less than one answer may take"),
        ({"llm_requests_per_minute": 60}, "ZHUFU_REDIS_URL"),
        ({"llm_tokens_per_minute": 60}, "ZHUFU_REDIS_URL"),
        ({"panel": [{"url": "http://127.0.0.1:2"}]}, "panel"),
        ({"panel": [{"model": "甲", "modell": "乙"}]}, "panel"),
        ({"panel": [{"model": "甲"}] * 9}, "panel"),
        ({"llm_url": "ftp://127.0.0.1"}, "llm_url"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**change)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"quorum": 6, "panel": PANEL, "samples": 3},
        {"mode": "group", "score_timeout_seconds": 190},
        {"llm_requests_per_minute": 60, "redis_url": "redis://127.0.0.1:1/0"},
        {"examples": "none", "few_shot_limit": 0},
    ],
)
def test_what_fits_together_is_taken(change: dict[str, Any]) -> None:
    settings(**change)


def test_without_a_panel_the_one_model_is_the_panel() -> None:
    (only,) = settings(llm_timeout_seconds=7).panelists()
    assert (only.llm_url, only.llm_model, only.llm_timeout_seconds) == ("http://127.0.0.1:1/v1", "test-model", 7)


def test_what_a_member_of_a_panel_does_not_say_is_as_in_the_common_settings() -> None:
    first, second = settings(panel=PANEL, llm_api_key="sk-common-key", llm_max_tries=2).panelists()
    assert (first.llm_model, first.llm_url, first.llm_api) == ("甲", "http://127.0.0.1:2/v1", "completions")
    assert (second.llm_model, second.llm_url, second.llm_api) == ("乙", "http://127.0.0.1:1/v1", "chat")
    keys = [each.llm_api_key.get_secret_value() for each in (first, second) if each.llm_api_key]
    assert keys == ["sk-panel-key", "sk-common-key"]
    assert {first.llm_max_tries, second.llm_max_tries} == {2}


def test_no_secret_is_shown() -> None:
    shown = repr(settings(panel=PANEL, llm_api_key="sk-common-key"))
    assert "sk-" not in shown
    with pytest.raises(ValidationError) as refused:
        settings(panel=[{**PANEL[0], "api": "telepathy"}])
    assert "sk-panel-key" not in str(refused.value)
