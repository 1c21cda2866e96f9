"""The settings that all services share; each service adds its own in its ``settings.py``.

Every variable can be given for one service (``ZHUFU_REWARD_MODEL_REDIS_URL``) or for all (``ZHUFU_REDIS_URL``); the
narrower one wins. Bad values are refused at start-up. No secret has a default.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final, Self

from pydantic import AliasChoices, AliasGenerator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.logging import LogFormat, LogLevel
from shared.schemas import MAX_ROLLOUTS_PER_REQUEST
from shared.urls import plain_url

MIN_KEY_CHARACTERS = 8
MAX_PLAYGROUND_REWARDS: Final = 16
REWARD_NAME: Final = r"^[a-z0-9_-]{1,64}$"
"""What a reward may be called."""


def service_config(service: str) -> SettingsConfigDict:
    """The pydantic-settings configuration of one service; its own prefix is ``ZHUFU_<SERVICE>_``."""

    def names(field: str) -> AliasChoices:
        return AliasChoices(f"ZHUFU_{service.upper()}_{field.upper()}", f"ZHUFU_{field.upper()}")

    return SettingsConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        populate_by_name=True,
        env_prefix="ZHUFU_",  # else populate_by_name would also read HOST, PORT and REDIS_URL, whoever set them
        alias_generator=AliasGenerator(validation_alias=names),
    )


class ServiceSettings(BaseSettings):
    """What every service can be told."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; another than loopback needs API keys.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="Accepted keys, separated by commas; several at once so that keys can be rotated."
    )
    redis_url: SecretStr | None = Field(
        default=None, description="Redis of the queue; without it, HTTP is the only door."
    )
    log_level: LogLevel = Field(default="info", description="Prompts and completions are logged at debug level only.")
    log_format: LogFormat = Field(default="auto", description="auto: for people on a terminal, else JSON lines.")

    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, description="Largest request.")
    max_rollouts_per_request: int = Field(
        default=MAX_ROLLOUTS_PER_REQUEST, ge=1, le=MAX_ROLLOUTS_PER_REQUEST, description="Of one HTTP request."
    )
    max_pending_rollouts: int = Field(
        default=2 * MAX_ROLLOUTS_PER_REQUEST, ge=1, description="Waiting or in work, of both doors; beyond it: 429."
    )
    max_batch_rollouts: int = Field(default=64, ge=1, description="Of one batch.")
    max_batch_tokens: int = Field(default=16_384, ge=1, description="Of one batch, padding included.")
    max_padding_share: float = Field(default=0.15, ge=0, lt=1, description="Most padding in a batch, as a share of it.")
    max_concurrent_batches: int = Field(default=1, ge=1, description="Batches in work at a time.")
    max_attempts: int = Field(default=3, ge=1, description="Tries before a rollout of the queue is given up.")

    request_timeout_seconds: float = Field(default=300.0, gt=0, description="A rollout not begun by then is expired.")
    score_timeout_seconds: float = Field(default=120.0, gt=0, description="Longest time for one batch.")
    lease_seconds: float = Field(default=30.0, gt=0, description="After this silence another process takes over.")
    retry_wait_seconds: float = Field(default=0.5, ge=0, description="Wait before the second try; doubles each time.")
    leave_seconds: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="After SIGTERM: go on answering for so long, but not ready, and ask callers to connect anew.",
    )
    drain_timeout_seconds: float = Field(default=30.0, gt=0, description="Longest time to finish work after SIGTERM.")

    playground: bool = Field(default=True, description="Whether GET / shows a page to try the reward with.")
    playground_rewards: Annotated[dict[str, str], NoDecode] = Field(
        default={},
        description="Other rewards that the page may ask through this service: name=URL, separated by commas.",
    )
    playground_timeout_seconds: float = Field(default=300.0, gt=0, description="How long the page waits for a score.")

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(key.strip() for key in value.split(",") if key.strip())
        return value

    @field_validator("playground_rewards", mode="before")
    @classmethod
    def _split_rewards(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if len({name.strip() for name, _, _ in pairs}) < len(pairs):
            raise ValueError("a reward is named twice")
        return {name.strip(): url.strip() for name, _, url in pairs}

    @field_validator("playground_rewards")
    @classmethod
    def _are_rewards(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > MAX_PLAYGROUND_REWARDS:
            raise ValueError(f"{len(value)} rewards; at most {MAX_PLAYGROUND_REWARDS}")
        return {name: _reward_url(name, url) for name, url in value.items()}

    @field_validator("redis_url", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if not is_loopback(self.host) and not self.api_keys:
            raise ValueError(f"refusing to listen on {self.host} without an API key: set ZHUFU_API_KEYS")
        if any(len(key.get_secret_value()) < MIN_KEY_CHARACTERS for key in self.api_keys):
            raise ValueError(f"an API key has fewer than {MIN_KEY_CHARACTERS} characters")
        if self.max_rollouts_per_request > self.max_pending_rollouts:
            raise ValueError("max_rollouts_per_request is more than max_pending_rollouts can ever hold")
        return self


def _reward_url(name: str, url: str) -> str:
    """A service's URL without a slash at its end."""
    if not re.fullmatch(REWARD_NAME, name):
        raise ValueError("not name=URL with a name of a-z, 0-9, _ and -")
    try:
        plain_url(url)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
