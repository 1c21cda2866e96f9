from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from shared.schemas import ScoreRequest
from trainer.stack.services import all_services
from trainer.stack.summary import curl_example, print_summary

URLS = {"redis": "redis://:geheim-wort@127.0.0.1:8000/0", "reward_model": "http://127.0.0.1:8002"}


def shown() -> str:
    output = io.StringIO()
    print_summary(Console(file=output, width=80), URLS, all_services("runs/reward"), Path("/logs"))
    return output.getvalue()


def test_the_example_asks_for_what_the_contract_takes() -> None:
    words = shlex.split(curl_example("http://127.0.0.1:8002"))
    assert "http://127.0.0.1:8002/v1/score" in words
    assert len(ScoreRequest.model_validate_json(words[-1]).rollouts) == 1
    assert "Authorization" not in " ".join(words)


def test_the_example_carries_a_key_where_the_service_wants_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_REWARD_MODEL_API_KEYS", "geheim-schluessel")
    assert 'Authorization: Bearer $ZHUFU_API_KEY"' in shown()
    assert "geheim" not in shown()


def test_every_url_is_shown_without_its_password_and_the_command_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHUFU_API_KEYS", raising=False)
    lines = [line.strip() for line in shown().splitlines()]
    assert curl_example(URLS["reward_model"]) in lines
    assert "logs: /logs" in lines
    assert any(line.endswith("redis://127.0.0.1:8000/0") for line in lines)
    assert any(line.endswith("redis://127.0.0.1:8000/0?reward=reward_model") for line in lines)
    assert "geheim-wort" not in shown()


def test_the_page_to_open_is_named() -> None:
    assert [line.split() for line in shown().splitlines() if "playground" in line] == [
        ["playground", f"{URLS['reward_model']}/"]
    ]
