"""What the local LLM can be told."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from trainer.ports import HOST

API_KEY_VARIABLE = "ZHUFU_LOCAL_LLM_API_KEY"
MODEL_VARIABLE = "ZHUFU_LOCAL_LLM_MODEL"
GEMMA_ALIAS = "gemma-3-270m"
MOST_THREADS = 8
"""More do not help a small model."""


def usable_cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LocalLlmOptions:
    """How one model is served.

    One slot, because a judge asks many questions that begin alike and end after a token: what has to be computed is
    the end of each prompt, which keeps the cores busy with one request as with four. On two cores four slots were not
    faster (0.42 s a verdict against 0.43 s, of 1,700 tokens that begin alike and 170 that do not), but compute the
    beginning four times, once for each. Answers of many tokens are another matter: 40 tokens came from four slots
    about three times as often.

    Attributes:
        port: Of the address.
        host: The address.
        api_key: What requests have to carry as a bearer token; None: nothing is asked for.
        model: A GGUF file; None for the Gemma 3 270M of its package.
        alias: The name that requests give the model.
        context_tokens: The longest prompt and answer of one request, together.
        threads: Those that compute.
        slots: Requests that are computed at a time; others wait.
        prompt_cache_mib: Memory for what was computed for other prompts. With it, judging by several prompts in turn
            computes each beginning once; without it, every time.
    """

    port: int
    host: str = HOST
    api_key: str | None = dataclasses.field(default=None, repr=False)
    model: Path | None = None
    alias: str = GEMMA_ALIAS
    context_tokens: int = 8192
    threads: int = dataclasses.field(default_factory=lambda: min(usable_cores(), MOST_THREADS))
    slots: int = 1
    prompt_cache_mib: int = 1024
