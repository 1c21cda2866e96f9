"""What a request can ask of the judge."""

from __future__ import annotations

from pydantic import Field

from services.judge.comparison import MAX_MEMBERS, MIN_MEMBERS
from services.judge.modes import ModeName
from services.judge.settings import MAX_SAMPLES
from shared.schemas import Contract


class JudgeOptions(Contract):
    """Options of ``POST /v1/score``; what is not given is as in the settings."""

    mode: ModeName | None = None
    principles: str | None = Field(default=None, max_length=128, description="Id or version of known principles.")
    samples: int | None = Field(default=None, ge=1, le=MAX_SAMPLES)
    group_size: int | None = Field(
        default=None, ge=MIN_MEMBERS, le=MAX_MEMBERS, description="Members of each group, in group mode."
    )
