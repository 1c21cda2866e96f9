"""The models that judge together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.errors import NotReady, ScoringFailed
from shared.llm.cached import Bill, CachedLlm


def with_usage(error: ScoringFailed, bill: Bill) -> ScoringFailed:
    """The same failure with the cost of everything that was asked for its rollout."""
    return ScoringFailed(error.detail, code=error.failure_code, retryable=error.may_retry, usage=bill.usage())


async def check_panel(panel: Sequence[CachedLlm], quorum: int) -> None:
    """Raise `NotReady` where fewer models than the quorum can be asked."""
    results = await asyncio.gather(*(panelist.check() for panelist in panel), return_exceptions=True)
    troubles = [result for result in results if isinstance(result, BaseException)]
    if len(panel) - len(troubles) < quorum:
        for trouble in troubles:
            if not isinstance(trouble, NotReady):
                raise trouble
        raise troubles[0]
