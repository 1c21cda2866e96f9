"""What a service that asks a language model can be told about it."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator, model_validator

from shared.llm.chat import LlmApi
from shared.urls import plain_url

OWN_PARAMETERS = frozenset({"messages", "model", "n", "prompt", "stream"})
"""What `llm_extra_body` must not touch: the client could not read the answer any more."""


class LlmSettings(BaseModel):
    """Fields for the settings of a service: ``class JudgeSettings(ServiceSettings, LlmSettings)``.

    Where they come from the environment they are ``ZHUFU_LLM_URL``, or ``ZHUFU_JUDGE_LLM_URL`` for one service. The
    validators have names of their own: one of the same name in both classes would take the other's place.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False)

    llm_url: str = Field(description="An OpenAI-compatible server, such as http://127.0.0.1:8000/v1.")
    llm_model: str = Field(min_length=1, max_length=256, description="Name of the model as the server knows it.")
    llm_api_key: SecretStr | None = Field(default=None, description="Sent as a bearer token; unset: none is asked for.")
    llm_api: LlmApi = Field(
        default="chat", description="chat: /v1/chat/completions. completions: /v1/completions, for base models."
    )
    llm_timeout_seconds: float = Field(default=60.0, gt=0, le=3600, description="Longest time for one request.")
    llm_total_timeout_seconds: float = Field(
        default=180.0, gt=0, le=36_000, description="Longest time for one question, all waits and tries included."
    )
    llm_max_tries: int = Field(default=3, ge=1, le=10, description="Requests for one question at most.")
    llm_retry_wait_seconds: float = Field(
        default=0.5, ge=0, le=60, description="Wait before the second try; doubles each time."
    )
    llm_max_in_flight: int = Field(default=32, ge=1, description="Requests under way, of the fleet where it has Redis.")
    llm_requests_per_minute: int | None = Field(default=None, ge=1, description="Of the fleet; needs Redis.")
    llm_tokens_per_minute: int | None = Field(
        default=None, ge=1, description="Of the fleet, prompt and answer; needs Redis."
    )
    llm_limit_wait_seconds: float = Field(default=120.0, gt=0, description="Longest wait for the limits to give room.")
    llm_limit_name: str = Field(
        default="llm", pattern=r"^[a-z0-9_-]{1,64}$", description="Services with the same name and Redis share limits."
    )
    llm_extra_body: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="JSON object sent with every request, over what the client sends; null takes a parameter out.",
    )

    @field_validator("llm_api_key", "llm_requests_per_minute", "llm_tokens_per_minute", mode="before")
    @classmethod
    def _empty_llm_value_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("llm_url")
    @classmethod
    def _is_llm_url(cls, value: str) -> str:
        return server_url(value)

    @model_validator(mode="after")
    def _llm_values_can_be_sent(self) -> Self:
        key = self.llm_api_key.get_secret_value() if self.llm_api_key else "x"
        if not (key.isascii() and key.isprintable() and key.strip() == key):
            raise ValueError("llm_api_key is of printable ASCII characters, without spaces around it")
        if taken := OWN_PARAMETERS & set(self.llm_extra_body):
            raise ValueError(f"llm_extra_body cannot set {', '.join(sorted(taken))}")
        return self


def server_url(value: str) -> str:
    """The base URL of an OpenAI-compatible server: ``/v1`` is added where it has no path.

    Raises:
        ValueError: It is not a URL of http or https, or has a user, a query or a fragment.
    """
    url = plain_url(value)
    path = url.path.rstrip("/")
    return str(url.copy_with(path=path or "/v1"))
