from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.settings import ServiceSettings, is_loopback, service_config


class JudgeSettings(ServiceSettings):
    model_config = service_config("judge")


KEY = "a-key-that-is-long-enough"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in JudgeSettings.model_fields:
        for name in (field, f"zhufu_{field}", f"zhufu_judge_{field}"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.20", "example.org", ""])
def test_an_address_that_others_reach_is_refused_without_a_key(host: str) -> None:
    with pytest.raises(ValidationError, match="without an API key"):
        JudgeSettings(host=host)
    assert JudgeSettings.model_validate({"host": host, "api_keys": KEY}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    assert JudgeSettings(host=host).api_keys == ()


def test_short_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="fewer than 8"):
        JudgeSettings.model_validate({"api_keys": f"{KEY},short"})


def test_several_keys_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_API_KEYS", f" {KEY}-1 ,{KEY}-2,,")
    assert [key.get_secret_value() for key in JudgeSettings().api_keys] == [f"{KEY}-1", f"{KEY}-2"]


def test_the_variable_of_a_service_wins_over_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_REDIS_URL", "redis://common:6379/0")
    monkeypatch.setenv("ZHUFU_PORT", "8001")
    settings = JudgeSettings()
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://common:6379/0"
    monkeypatch.setenv("ZHUFU_JUDGE_REDIS_URL", "redis://judge:6379/0")
    settings = JudgeSettings()
    assert settings.redis_url is not None
    assert (settings.redis_url.get_secret_value(), settings.port) == ("redis://judge:6379/0", 8001)


def test_an_argument_wins_over_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_PORT", "8001")
    monkeypatch.setenv("ZHUFU_JUDGE_PORT", "8002")
    assert JudgeSettings(port=8003).port == 8003


@pytest.mark.parametrize("name", ["PORT", "HOST", "REDIS_URL", "API_KEYS", "LOG_LEVEL"])
def test_variables_of_other_programs_are_not_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = JudgeSettings()
    monkeypatch.setenv(name, "9999")
    assert JudgeSettings() == plain


def test_an_empty_redis_url_means_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_REDIS_URL", "")
    assert JudgeSettings().redis_url is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", "70000"),
        ("log_level", "loud"),
        ("lease_seconds", "0"),
        ("lease_seconds", "inf"),
        ("score_timeout_seconds", "nan"),
        ("max_batch_tokens", "0"),
        ("max_padding_share", "1"),
        ("max_attempts", "0"),
        ("max_rollouts_per_request", "10001"),
    ],
)
def test_bad_values_are_refused_at_start(field: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ZHUFU_{field.upper()}", value)
    with pytest.raises(ValidationError, match=field.upper()):
        JudgeSettings()


def test_rewards_of_the_page_are_named_with_their_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_PLAYGROUND_REWARDS", " judge=http://judge:8001/ , rm=https://rewards.example/rm/,")
    assert JudgeSettings().playground_rewards == {"judge": "http://judge:8001", "rm": "https://rewards.example/rm"}
    monkeypatch.setenv("ZHUFU_PLAYGROUND_REWARDS", "")
    assert JudgeSettings().playground_rewards == {}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("http://judge:8001", "not name=URL"),
        ("Judge=http://judge:8001", "not name=URL"),
        ("../x=http://judge:8001", "not name=URL"),
        ("a=http://judge:8001,a=http://judge:8002", "named twice"),
        ("a=redis://redis:6379/0?reward=judge", "a: not a URL of http"),
        ("a=file:///etc/passwd", "a: not a URL of http"),
        ("a=http://", "a: not a URL of http"),
        ("a=http://judge:port", r"a: not a URL \["),
        ("a=http://user:geheim-wort@judge:8001", "a: a URL with a user, a query or a fragment"),
        ("a=http://judge:8001/?key=geheim-wort", "a: a URL with a user, a query or a fragment"),
        ("a=http://judge:8001/#geheim-wort", "a: a URL with a user, a query or a fragment"),
        (",".join(f"r{number}=http://judge:8001" for number in range(17)), "at most 16"),
    ],
)
def test_what_is_no_reward_for_the_page_is_refused_at_start(
    value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHUFU_PLAYGROUND_REWARDS", value)
    with pytest.raises(ValidationError, match=why) as caught:
        JudgeSettings()
    assert "geheim-wort" not in str(caught.value)


def test_a_request_must_fit_into_what_may_wait() -> None:
    with pytest.raises(ValidationError, match="more than max_pending_rollouts"):
        JudgeSettings(max_pending_rollouts=10, max_rollouts_per_request=11)


@given(secret=st.text("abcdef0123456789", min_size=12, max_size=40))
def test_secrets_stand_in_no_repr_and_in_no_error(secret: str) -> None:
    settings = JudgeSettings.model_validate({"api_keys": secret, "redis_url": f"redis://:{secret}@host:6379/0"})
    for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert secret not in text
    for wrong in ({"api_keys": f"{secret},{secret[:7]}"}, {"api_keys": secret, "port": secret + "!"}):
        with pytest.raises(ValidationError) as caught:
            JudgeSettings.model_validate(wrong)
        assert secret not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        JudgeSettings().port = 1
