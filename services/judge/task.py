"""What one rollout's judgement hangs on."""

from __future__ import annotations

import dataclasses

from services.judge.modes import ModeName
from shared.principles import Principles


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTask:
    """How one rollout shall be judged: the request's options over the settings."""

    mode: ModeName
    principles: Principles
    samples: int
    version: str
