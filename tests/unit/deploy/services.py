"""The three services as the manifests name them, and the secrets that they are given here."""

from __future__ import annotations

from typing import Any

from pydantic_settings import BaseSettings

from services.judge.settings import JudgeSettings
from services.multi_agent.settings import MultiAgentSettings
from services.reward_model.settings import RewardModelSettings
from shared.settings import ServiceSettings

CLASSES: dict[str, type[ServiceSettings]] = {
    "judge": JudgeSettings,
    "reward-model": RewardModelSettings,
    "multi-agent": MultiAgentSettings,
}
SECRETS = {
    ("zhufu-api-keys", "api-keys"): "a-key-of-the-test",
    ("zhufu-redis", "url"): "redis://:secret@redis:6379/0",
    ("zhufu-redis", "password"): "secret",
    ("zhufu-llm", "api-key"): "a-key-of-the-llm",
}


def variables(settings: type[BaseSettings]) -> set[str]:
    """All that a settings class reads."""
    return {name for field in settings.model_fields for name in variables_of(settings, field)}


def variables_of(settings: type[BaseSettings], field: str) -> set[str]:
    """All that one field is read from."""
    alias: Any = settings.model_fields[field].validation_alias
    return set(alias.choices)
