"""The models that judge together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.errors import NotReady
from shared.llm.cached import CachedLlm


async def check_panel(panel: Sequence[CachedLlm], quorum: int) -> None:
    """Raise `NotReady` where fewer models than the quorum can be asked."""
    results = await asyncio.gather(*(panelist.check() for panelist in panel), return_exceptions=True)
    troubles = [result for result in results if isinstance(result, BaseException)]
    if len(panel) - len(troubles) < quorum:
        for trouble in troubles:
            if not isinstance(trouble, NotReady):
                raise trouble
        raise troubles[0]
