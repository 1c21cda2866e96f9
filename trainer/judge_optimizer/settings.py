"""Which LLM plays all roles: from the environment (``ZHUFU_LLM_URL``, ``ZHUFU_LLM_MODEL``, …) and from options."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.documents import first_problem
from shared.llm.settings import LlmSettings
from trainer.judge_optimizer.errors import LlmNotConfigured


class OptimizerLlm(BaseSettings, LlmSettings):
    """The LLM settings of services, read for a command."""

    model_config = SettingsConfigDict(
        env_prefix="ZHUFU_", frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False
    )


def read_llm_settings(*, url: str | None, model: str | None, api: str | None) -> LlmSettings:
    """The settings, options over environment.

    Raises:
        LlmNotConfigured: URL or model are missing, a value is wrong, or limits are asked for that one process cannot
            keep.
    """
    given = {name: value for name, value in {"llm_url": url, "llm_model": model, "llm_api": api}.items() if value}
    try:
        settings = OptimizerLlm(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        missing = {str(problem["loc"][0]) for problem in error.errors() if problem["type"] == "missing"}
        if missing:
            names = " and ".join(f"--{name.replace('_', '-')} or ZHUFU_{name.upper()}" for name in sorted(missing))
            raise LlmNotConfigured(f"no LLM is named: give {names}") from None
        raise LlmNotConfigured(f"the settings of the LLM: {first_problem(error)}") from None
    if settings.llm_requests_per_minute or settings.llm_tokens_per_minute:
        raise LlmNotConfigured(
            "limits per minute are of services with Redis; here, ZHUFU_LLM_MAX_IN_FLIGHT bounds calls"
        )
    return settings
