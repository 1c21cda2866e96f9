"""Ceilings on calls and tokens, asked before each call: they are never broken, also where calls run side by side."""

from __future__ import annotations

import asyncio
import dataclasses

from trainer.judge_optimizer.errors import CeilingReached


@dataclasses.dataclass(frozen=True, slots=True)
class Spent:
    """What a run has paid so far, over all its processes. A call that was sent again by the client counts once."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and answer."""
        return self.prompt_tokens + self.completion_tokens


class Budget:
    """Reserves what calls under way may cost; ``None`` stands for no ceiling.

    A call reserves an estimate of its tokens that is rather too high, so that a run stops a little below its ceiling.
    What a server does not tell (the cost of a try that broke) nobody can count.
    """

    def __init__(self, spent: Spent, *, max_calls: int | None, max_tokens: int | None) -> None:
        self.spent = spent
        self._max_calls = max_calls
        self._max_tokens = max_tokens
        self._calls_under_way = 0
        self._tokens_under_way = 0
        self._reached: CeilingReached | None = None
        self._ended = asyncio.Condition()

    async def reserve(self, estimated_tokens: int) -> None:
        """Take the room for one call; waits where it hangs on what calls under way will really cost.

        Raises:
            CeilingReached: There is no room; from then on for every call.
        """
        async with self._ended:
            while True:
                if self._reached is not None:
                    raise CeilingReached(self._reached.detail)
                calls = self.spent.calls + self._calls_under_way
                if self._max_calls is not None and calls >= self._max_calls:
                    raise self._stop(f"{self.spent.calls} calls made; the ceiling is {self._max_calls}")
                tokens = self.spent.tokens + self._tokens_under_way + estimated_tokens
                if self._max_tokens is None or tokens <= self._max_tokens:
                    break
                if not self._calls_under_way:
                    raise self._stop(
                        f"{self.spent.tokens} tokens spent, and the next call may cost {estimated_tokens}; the ceiling "
                        f"is {self._max_tokens}"
                    )
                await self._ended.wait()
            self._calls_under_way += 1
            self._tokens_under_way += estimated_tokens

    async def settle(self, estimated_tokens: int, spent: Spent) -> None:
        """Give back what was reserved for a call that has ended; ``spent`` is now paid in all."""
        async with self._ended:
            self.spent = spent
            self._calls_under_way -= 1
            self._tokens_under_way -= estimated_tokens
            self._ended.notify_all()

    def _stop(self, detail: str) -> CeilingReached:
        self._reached = CeilingReached(detail)
        self._ended.notify_all()
        return self._reached
