"""Where zero is: the log-odds of a model half way between good and bad examples that its prompt does not show.

A model leans to one of two labels whatever it reads, and more so a small one (Zhao et al., "Calibrate Before Use",
ICML 2021). Its leaning is measured on examples, half of them good, and taken out. The same answers tell whether the
model can judge at all: how often it puts a good example above a bad one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
from collections.abc import Sequence
from typing import Final

from services.judge.modes import LogprobMode
from shared.llm.cached import Bill, CachedLlm
from shared.llm.errors import LlmFailed
from shared.tasks import end_tasks

MAX_EXAMPLES: Final = 16
MIN_EACH: Final = 2
"""Good and bad examples that there must be; with fewer nothing is taken out."""
KEPT: Final = 256
"""Calibrations that one process remembers; the answers behind them are in the cache."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured of one prompt.

    Attributes:
        offset: Log-odds to be taken from every answer.
        auc: Share of pairs of a good and a bad example in which the good one has the higher log-odds, ties half.
    """

    offset: float
    auc: float


class Calibrator:
    """Calibrates each prompt of each model once."""

    def __init__(self) -> None:
        self._measuring: dict[tuple[object, ...], asyncio.Task[Calibration | None]] = {}

    async def calibration(
        self, mode: LogprobMode, panelist: CachedLlm, sample: int, salt: str, bill: Bill
    ) -> Calibration | None:
        """The calibration of one sample's prompt; None where there are too few examples for it.

        Raises:
            LlmFailed: The model could not be asked, or judges too few of the examples. The next call tries again.
        """
        key = (id(mode), panelist, sample, salt)
        measuring = self._measuring.get(key)
        if measuring is None:
            measuring = asyncio.create_task(_measure(mode, panelist, sample, salt, bill))
            while len(self._measuring) >= KEPT:
                del self._measuring[next(iter(self._measuring))]
            self._measuring[key] = measuring
            measuring.add_done_callback(lambda task: self._forget(key, task))
        return await asyncio.shield(measuring)

    async def close(self) -> None:
        """End what is being measured."""
        await end_tasks(self._measuring.values())

    def _forget(self, key: tuple[object, ...], task: asyncio.Task[Calibration | None]) -> None:
        """Failures are not kept."""
        if (task.cancelled() or task.exception() is not None) and self._measuring.get(key) is task:
            del self._measuring[key]


async def _measure(mode: LogprobMode, panelist: CachedLlm, sample: int, salt: str, bill: Bill) -> Calibration | None:
    held_out = mode.held_out(sample)[:MAX_EXAMPLES]
    labels = [verdict for _, verdict in held_out]
    if min(labels.count(0), labels.count(1)) < MIN_EACH:
        return None
    failures: list[LlmFailed] = []

    async def log_odds(number: int) -> float | None:
        request = mode.request(held_out[number][0], sample, 1)
        try:
            return mode.read(await panelist.ask(request, salt, bill)).log_odds
        except LlmFailed as error:
            if error.may_retry:
                raise
            failures.append(error)  # one example that a model does not judge must not keep it from judging
            return None

    first = await log_odds(0)  # alone, so that the server has the prompt's fixed part when the others come
    measured = [first, *await asyncio.gather(*map(log_odds, range(1, len(held_out))))]
    odds: dict[int, list[float]] = {0: [], 1: []}
    for value, verdict in zip(measured, labels, strict=True):
        if value is not None:
            odds[verdict].append(value)
    if min(map(len, odds.values())) < MIN_EACH:
        raise failures[0]
    offset = statistics.fmean(map(statistics.fmean, odds.values()))
    return Calibration(offset=offset, auc=_auc(odds[1], odds[0]))


def _auc(good: Sequence[float], bad: Sequence[float]) -> float:
    return statistics.fmean((above > below) + 0.5 * (above == below) for above in good for below in bad)
