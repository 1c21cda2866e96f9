"""Settings of the reward model service; its own prefix is ``ZHUFU_REWARD_MODEL_``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.settings import REWARD_NAME, ServiceSettings, service_config

DType = Literal["auto", "float32", "bfloat16", "float16"]


class RewardModelSettings(ServiceSettings):
    """What the reward model service can be told, beyond what all services can."""

    model_config = service_config("reward_model")

    port: int = Field(default=8002, ge=0, le=65535, description="Port to listen on.")
    name: str = Field(default="reward_model", pattern=REWARD_NAME, description="Name of the reward.")
    checkpoint: str = Field(
        description="Folder of a checkpoint, the name of one in checkpoints_dir, or a model hub id (id@revision)."
    )
    checkpoints_dir: Path | None = Field(
        default=None, description="Folder whose sub-folders can be activated by name while the service runs."
    )
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N; auto takes CUDA where it is.")
    dtype: DType = Field(default="auto", description="auto: bfloat16 on CUDA, float32 on CPU.")
    threads: int | None = Field(
        default=None, ge=1, description="Threads on a CPU, shared out among batches in work; unset: as torch decides."
    )
    max_characters: int = Field(default=32_768, ge=1, description="Longest prompt plus completion.")
    max_batch_tokens: int = Field(default=4_096, ge=1, description="Of one batch, padding included.")
    max_padding_share: float = Field(
        default=0.15, ge=0, lt=1, description="Most padding in a batch, as a share of it; on a CPU 0.05 unless given."
    )
    max_concurrent_batches: int = Field(
        default=1, ge=1, description="Batches in work at a time; on a CPU one for each core, 4 at most, unless given."
    )
