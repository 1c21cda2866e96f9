"""Settings of the judge service; its own prefix is ``ZHUFU_JUDGE_``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from services.judge.comparison import MAX_MEMBERS
from services.judge.modes import ModeName
from shared.llm.chat import LlmApi
from shared.llm.service_settings import LlmServiceSettings
from shared.llm.settings import LlmSettings
from shared.schemas import Contract
from shared.settings import REWARD_NAME, service_config

MAX_SAMPLES = 16
MAX_PANEL = 8

MissingMembers = Literal["compare", "fail"]


class PanelMember(Contract):
    """One model of a panel; what it does not say is as in the common LLM settings."""

    model: str = Field(min_length=1, max_length=256)
    url: str | None = None
    api: LlmApi | None = None
    api_key: SecretStr | None = None


class JudgeSettings(LlmServiceSettings):
    """What the judge service can be told, beyond what all services can."""

    model_config = service_config("judge")

    port: int = Field(default=8001, ge=0, le=65535, description="Port to listen on.")
    name: str = Field(default="judge", pattern=REWARD_NAME, description="Name of the reward.")
    mode: ModeName = Field(default="logprob", description="How rollouts are judged where a request does not say.")
    principles: str = Field(default="greetings-v1", description="Id of principles that ship, or path of a .yaml file.")
    examples: str = Field(
        default="greetings-balanced-v1", description="Id of examples that ship, path of a .yaml file, or none."
    )
    few_shot_limit: int = Field(default=16, ge=0, le=128, description="Examples in a prompt at most.")
    labels: Annotated[tuple[str, str], NoDecode] = Field(
        default=("好", "差"), description="The words for good and bad in logprob mode; one token each."
    )
    least_label_mass: float = Field(
        default=0.2, ge=0, le=1, description="Below this probability of all labels together, an answer is none."
    )
    calibrate: bool = Field(
        default=True,
        description="Logprob mode: take out what a model leans to, measured on examples not in the prompt.",
    )
    samples: int = Field(
        default=1, ge=1, le=MAX_SAMPLES, description="Votes of each model; in logprob mode orders of the examples."
    )
    temperature: float = Field(default=0.7, ge=0, le=2, description="Of several samples in verdict and rubric mode.")
    panel: tuple[PanelMember, ...] = Field(
        default=(), max_length=MAX_PANEL, description="JSON list of models that judge together, instead of llm_model."
    )
    quorum: int | None = Field(default=None, ge=1, description="Votes needed for a score; unset: all of them.")

    group_wait_seconds: float = Field(default=10.0, gt=0, description="How long a group's first member waits.")
    group_missing: MissingMembers = Field(
        default="compare", description="A group that is not complete in time: compare who came, or fail them."
    )
    group_orders: int = Field(
        default=MAX_MEMBERS, ge=1, le=MAX_MEMBERS, description="Orders in which a group is shown, at most its size."
    )

    @field_validator("labels", mode="before")
    @classmethod
    def _split_labels(cls, value: Any) -> Any:
        return tuple(word.strip() for word in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.labels[0] == self.labels[1] or not all(self.labels):
            raise ValueError("labels are two different words, such as 好,差")
        votes = self.samples * max(1, len(self.panel))
        if self.quorum is not None and self.quorum > votes:
            raise ValueError(f"a quorum of {self.quorum} of {votes} votes")
        return self

    @property
    def longest_score_seconds(self) -> float:
        """With the wait for a group's members."""
        return self.llm_total_timeout_seconds + (self.group_wait_seconds if self.mode == "group" else 0)

    def panelists(self) -> list[LlmSettings]:
        """The LLM settings of each model that is asked."""
        common = self.llm_settings()
        if not self.panel:
            return [common]
        return [
            LlmSettings.model_validate(
                {
                    **dict(common),
                    "llm_model": member.model,
                    **({"llm_url": member.url} if member.url is not None else {}),
                    **({"llm_api": member.api} if member.api is not None else {}),
                    **({"llm_api_key": member.api_key} if member.api_key is not None else {}),
                }
            )
            for member in self.panel
        ]
