"""Why a question to a language model has no answer that could be a score: one type, one code for each reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from shared.errors import ScoringFailed
from shared.schemas import Usage

LlmFailureCode = Literal[
    "llm_timeout",  # no answer in time
    "llm_rate_limited",  # 429
    "llm_server_error",  # 5xx
    "llm_unreachable",  # no connection, or one that broke
    "llm_rejected",  # any other status: the server does not take the request
    "llm_refused",  # the model, or a filter beside it, declines to answer
    "llm_truncated",  # the answer was cut at its limit of tokens
    "llm_protocol_error",  # 200, but not the answer that the API describes
    "llm_unparsable",  # an answer, but not the JSON or label asked for
    "llm_out_of_range",  # JSON as asked for, with a value outside its range
    "llm_wrong_language",  # an answer in another language than asked for
    "llm_limit_wait",  # the fleet's limit gave no permit in time
    "llm_over_limit",  # the request alone has more tokens than the limit ever allows
    "llm_retry_budget",  # too many of the fleet's last requests were repetitions
    "llm_circuit_open",  # the circuit breaker holds requests back
    "llm_limits_unavailable",  # the Redis of the limits does not answer
]

RETRYABLE: frozenset[LlmFailureCode] = frozenset(
    {
        "llm_timeout",
        "llm_rate_limited",
        "llm_server_error",
        "llm_unreachable",
        "llm_protocol_error",
        "llm_limit_wait",
        "llm_retry_budget",
        "llm_circuit_open",
        "llm_limits_unavailable",
    }
)
"""What may be otherwise at another time. The rest are answers: the same question would be answered the same way."""

QUOTE_CHARACTERS = 200


class LlmFailed(ScoringFailed):
    """A question to a language model got no usable answer; never a reason for a reward of any size.

    Attributes:
        failure_code: Which of the reasons.
        may_retry: Whether another try, later, can help.
        usage: The tokens that were paid all the same, where the server told.
        retry_after_seconds: How long the server wants to be left alone, where it told.
    """

    code = "llm_failed"
    failure_code: LlmFailureCode

    def __init__(
        self,
        detail: str,
        *,
        code: LlmFailureCode,
        retryable: bool | None = None,
        usage: Usage | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        may_retry = code in RETRYABLE if retryable is None else retryable
        super().__init__(detail, code=code, retryable=may_retry, usage=usage)
        self.retry_after_seconds = retry_after_seconds


def quoted(text: str, limit: int = QUOTE_CHARACTERS, *, hidden: Iterable[str] = ()) -> str:
    """What a server or a model said, to stand in an error: one line, nothing invisible, at most ``limit`` characters.

    Args:
        text: What was said.
        limit: Longest quote.
        hidden: What must not be in it, even if it was said: keys, prompts.
    """
    for secret in hidden:
        text = text.replace(secret, "***")
    start = text[: 4 * limit]
    line = re.sub(r"\s+", " ", "".join(mark if mark.isprintable() else " " for mark in start)).strip()
    return line if len(line) <= limit and len(start) == len(text) else f"{line[: limit - 1]}…"


def cause_of(error: BaseException) -> str:
    """What broke a connection, as httpx names it; it knows neither key nor texts."""
    cause = error.__cause__
    return "" if cause is None else f": {quoted(f'{type(cause).__name__} {cause}')}"
