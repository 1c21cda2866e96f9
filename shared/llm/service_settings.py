"""What every service that asks language models can be told."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from shared.errors import TextTooLong
from shared.llm.chat import BYTES_PER_TOKEN
from shared.llm.settings import LlmSettings
from shared.schemas import Rollout
from shared.settings import ServiceSettings

DAY_SECONDS = 86_400.0

OnAttack = Literal["cut", "fail"]


class LlmServiceSettings(ServiceSettings, LlmSettings):
    """The settings of a service and those of its LLM; each service adds its own, and its ``model_config``."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False)

    on_attack: OnAttack = Field(
        default="cut", description="A flagged completion: judge what is left of it, or fail its score."
    )
    cache_ttl_seconds: float = Field(default=7 * DAY_SECONDS, gt=0, description="How long answers are kept in Redis.")
    max_characters: int = Field(default=32_768, ge=1, description="Longest prompt plus completion.")
    # Each rollout is a batch of its own: none waits for the slowest beside it. The LLM's limits bound what is asked.
    max_batch_rollouts: int = Field(default=1, ge=1, description="Of one batch.")
    max_concurrent_batches: int = Field(default=256, ge=1, description="Rollouts in work at a time.")
    # The second and third try come after a circuit breaker has had the time to close again.
    retry_wait_seconds: float = Field(default=6.0, ge=0, description="Wait before the second try; doubles each time.")
    score_timeout_seconds: float = Field(default=240.0, gt=0, description="Longest time for one batch.")

    @property
    def longest_score_seconds(self) -> float:
        """How long one rollout may take by the other settings; ``score_timeout_seconds`` must allow for it."""
        return self.llm_total_timeout_seconds

    @model_validator(mode="after")
    def _has_time_and_redis(self) -> Self:
        if self.score_timeout_seconds < self.longest_score_seconds:
            raise ValueError(f"score_timeout_seconds is less than one answer may take ({self.longest_score_seconds:g})")
        if self.redis_url is None and (self.llm_requests_per_minute or self.llm_tokens_per_minute):
            raise ValueError("limits per minute are kept in Redis: set ZHUFU_REDIS_URL")
        return self

    def cost(self, rollout: Rollout) -> int:
        """About how many tokens a rollout is, for `shared.scorer.Scorer.cost`.

        Raises:
            TextTooLong: It has more than ``max_characters``.
        """
        characters = len(rollout.prompt) + len(rollout.completion)
        if characters > self.max_characters:
            raise TextTooLong(f"{characters} characters; at most {self.max_characters} are scored")
        return 1 + (len(rollout.prompt.encode()) + len(rollout.completion.encode())) // BYTES_PER_TOKEN

    def llm_settings(self) -> LlmSettings:
        """The part that is about the LLM."""
        return LlmSettings.model_validate({name: getattr(self, name) for name in LlmSettings.model_fields})
