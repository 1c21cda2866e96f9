"""Rollouts that were taken in together, each on its way to exactly one score."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from pydantic import JsonValue

from shared.schemas import Rollout, Score

log = structlog.get_logger(__name__)

OnScore = Callable[[int, Score], None]
"""Is told the place of a rollout among those admitted with it, and its score. Called on the event loop, and short."""


@dataclasses.dataclass(slots=True, eq=False, kw_only=True)
class Work:
    """One admitted rollout.

    Attributes:
        rollout: What is to be scored.
        cost: About how many tokens it is.
        admission: That it is part of.
        place: In the admission.
        number: In the order of all that were ever admitted.
        open: False once it has its score, or was dropped.
    """

    rollout: Rollout
    cost: int
    admission: Admission
    place: int
    number: int
    open: bool = True


class Admission:
    """What one call of `shared.batching.MicroBatcher.admit` took in.

    One object for many rollouts, with one future: a future for each would cost more than all else that is done for it.

    Args:
        pending: Where rollouts wait for their batch, by number; what is dropped leaves it at once.
        options: Shared by all.
        expires_at: On the clock of `time.monotonic`; what has not begun by then is not scored.
        alone: Whether each has a batch of its own.
        on_score: Is told each score as it comes.

    Attributes:
        works: The rollouts, in order, while one of them is open.
        so_far: The score of each; None where there is none yet.
        options_key: Equal where the options are.
        admitted_at: On the clock of `time.monotonic`.
    """

    def __init__(
        self,
        pending: dict[int, Work],
        options: Mapping[str, JsonValue],
        *,
        expires_at: float,
        alone: bool = False,
        on_score: OnScore | None = None,
    ) -> None:
        self.works: Sequence[Work] = ()
        self.options = options
        self.options_key = json.dumps(options, sort_keys=True) if options else ""
        self.admitted_at = time.monotonic()
        self.expires_at = expires_at
        self.alone = alone
        self._pending = pending
        self._on_score = on_score
        self.so_far: list[Score | None] = []
        self._open = 0
        self._resolved: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def done(self) -> bool:
        """Whether every rollout has its score."""
        return not self._open and all(score is not None for score in self.so_far)

    def take(self, works: Sequence[Work]) -> None:
        """These are the rollouts; called once."""
        self.works = works
        self.so_far = [None] * len(works)
        self._open = len(works)

    async def wait(self, timeout_seconds: float, *others: asyncio.Future[None]) -> None:
        """Return when every rollout has its score, when one of the others is done, or after a time."""
        if self._open:
            await asyncio.wait([self._resolved, *others], timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)

    async def scores(self) -> list[Score]:
        """One score for each rollout, in order, when all have theirs. Cancelled where some were dropped."""
        if not self.done:
            await asyncio.shield(self._resolved)
        return [score for score in self.so_far if score is not None]

    def drop(self, places: Iterable[int] | None = None) -> None:
        """Drop what nobody waits for any more: some rollouts, or all that have no score yet."""
        if not self._open:  # all have ended, and `works` is forgotten
            return
        for work in self.works if places is None else [self.works[place] for place in places]:
            if work.open:
                work.open = False
                self._open -= 1
                self._pending.pop(work.number, None)
                self._resolved.cancel()
        self._let_go()

    def resolve(self, work: Work, score: Score) -> None:
        """Give a rollout its score, unless it has one or was dropped."""
        if not work.open:
            return
        work.open = False
        self._open -= 1
        self.so_far[work.place] = score
        if self._on_score is not None:
            try:
                self._on_score(work.place, score)
            except Exception as error:  # a bug there must not cost others their scores
                log.error("on_score_raised", rollout_id=work.rollout.id, exc_info=error)
        self._let_go()

    def _let_go(self) -> None:
        """At the end, forget who refers to this, so that all is freed at once and not when cycles are looked for."""
        if self._open:
            return
        self.works = ()
        self._on_score = None
        if not self._resolved.done():
            self._resolved.set_result(None)
