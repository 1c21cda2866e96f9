"""`LlmSettings`, by itself and as part of a service's settings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared.llm.settings import LlmSettings
from shared.settings import ServiceSettings, service_config


class JudgeSettings(ServiceSettings, LlmSettings):
    model_config = service_config("judge")


def llm_settings(**changes: Any) -> LlmSettings:
    return LlmSettings.model_validate({"llm_url": "http://127.0.0.1:8000/v1", "llm_model": "m", **changes})


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("https://llm.example.org/v1/", "https://llm.example.org/v1"),
        ("https://llm.example.org/api/paas/v4", "https://llm.example.org/api/paas/v4"),
    ],
)
def test_a_url_without_a_path_is_that_of_the_api(given_url: str, url: str) -> None:
    assert llm_settings(llm_url=given_url).llm_url == url


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://a/v1", "http://", "http://user:secret@a/v1", "http://a/v1?key=secret", "http://a:b"],
)
def test_other_urls_are_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        llm_settings(llm_url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines", " sk-secret"])
def test_a_key_that_no_header_carries_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="llm_api_key") as caught:
        llm_settings(llm_api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("name", ["messages", "model", "n", "prompt", "stream"])
def test_the_extra_body_cannot_change_what_the_client_relies_on(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        llm_settings(llm_extra_body={name: 2})


@pytest.mark.parametrize(
    "change",
    [
        {"llm_timeout_seconds": 0},
        {"llm_timeout_seconds": float("inf")},
        {"llm_max_tries": 0},
        {"llm_max_in_flight": 0},
        {"llm_requests_per_minute": 0},
        {"llm_api": "responses"},
        {"llm_model": ""},
    ],
    ids=str,
)
def test_values_that_cannot_be_meant_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        llm_settings(**change)


def test_a_service_reads_them_from_its_own_variables_or_the_common_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_LLM_URL", "http://common:1/v1")
    monkeypatch.setenv("ZHUFU_JUDGE_LLM_URL", "http://judge:2")
    monkeypatch.setenv("ZHUFU_LLM_MODEL", "qwen")
    monkeypatch.setenv("ZHUFU_LLM_API_KEY", "sk-secret")
    monkeypatch.setenv("ZHUFU_LLM_EXTRA_BODY", '{"chat_template_kwargs": {"enable_thinking": false}}')
    monkeypatch.setenv("ZHUFU_LLM_TOKENS_PER_MINUTE", "")
    settings = JudgeSettings()
    assert (settings.llm_url, settings.llm_model) == ("http://judge:2/v1", "qwen")
    assert settings.llm_api_key is not None
    assert settings.llm_api_key.get_secret_value() == "sk-secret"
    assert "sk-secret" not in repr(settings)
    assert settings.llm_extra_body == {"chat_template_kwargs": {"enable_thinking": False}}
    assert settings.llm_tokens_per_minute is None
    with pytest.raises(ValidationError, match="frozen"):
        settings.llm_model = "other"  # type: ignore[misc]
