"""How a reward answered: what it scored and what not, how long it took, and what it cost."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from shared.schemas import Score


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """The answers for some texts, each asked once.

    Attributes:
        asked: Texts.
        scored: Of these with a reward.
        failed: Of these without, for a reason that the reward names.
        expired: Of these not scored in time.
        codes: How often each error is the reason.
        cached: Answers that the reward had ready.
        latency_p50: Seconds from admission to outcome, waiting included, as the service measured; of answers that were
            not cached, None where there are none.
        latency_p95: Likewise.
        prompt_tokens: Of all answers; None where the reward tells of none.
        completion_tokens: Likewise.
    """

    asked: int
    scored: int
    failed: int
    expired: int
    codes: Mapping[str, int]
    cached: int
    latency_p50: float | None
    latency_p95: float | None
    prompt_tokens: int | None
    completion_tokens: int | None

    @property
    def not_scored(self) -> int:
        """Texts without a reward: they are in no figure."""
        return self.failed + self.expired


def outcomes_of(scores: Sequence[Score]) -> Outcomes:
    """Count them."""
    statuses = Counter(score.status for score in scores)
    codes = Counter(score.error.code for score in scores if score.error is not None)
    latencies = [score.latency_seconds for score in scores if not score.cached]
    usages = [score.usage for score in scores if score.usage is not None]
    return Outcomes(
        asked=len(scores),
        scored=statuses["scored"],
        failed=statuses["failed"],
        expired=statuses["expired"],
        codes=dict(codes.most_common()),
        cached=sum(score.cached for score in scores),
        latency_p50=float(np.quantile(latencies, 0.5)) if latencies else None,
        latency_p95=float(np.quantile(latencies, 0.95)) if latencies else None,
        prompt_tokens=sum(usage.prompt_tokens for usage in usages) if usages else None,
        completion_tokens=sum(usage.completion_tokens for usage in usages) if usages else None,
    )
