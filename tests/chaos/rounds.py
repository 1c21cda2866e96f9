"""One round from its beginning to its end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tests.chaos.books import balance, left_in, wrong_dead_letters
from tests.chaos.journal import Submitted, lines_of, outcomes_of
from tests.chaos.plan import Plan
from tests.chaos.stack import REQUESTER_SECONDS, Stack
from tests.support.waiting import until

LOG_TAIL = 2000
UNEXPECTED = ("queue_loop_died", "Traceback")


class Entry(BaseModel):
    """A line of the log: one round.

    Attributes:
        moment: How many outcomes the requester had when the fault struck.
        seconds: Of the whole round, to start the processes included.
        story: What happened when; only of a round that does not balance.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seed: int
    fault: str
    door: str
    moment: int
    outage_seconds: float
    expected: int
    scored: int
    failed: int
    expired: int
    twice: int
    seconds: float
    troubles: list[str]
    story: list[str]

    @property
    def balanced(self) -> bool:
        return not self.troubles


async def run_round(plan: Plan, folder: Path) -> Entry:
    """Build the stack, break it, and balance the books; processes end whatever happens."""
    begun = time.monotonic()
    troubles: list[str] = []
    moment = 0
    async with Stack(plan, folder) as stack:
        try:
            moment = await _moment(stack)
            await asyncio.sleep(plan.delay_seconds)
            await plan.fault.strike(stack, plan.outage_seconds)
            await until(lambda: not stack.requester.running, "the requester ends", REQUESTER_SECONDS)
            stack.note("requester ended")
            if (status := stack.requester.wait()) != 0:
                troubles.append(f"the requester ended with {status}")
            troubles += await left_in(stack.redis, plan.keys)
            troubles += wrong_dead_letters(plan, stack.redis, outcomes_of(stack.journal))
            for scorer in stack.scorers:
                await asyncio.to_thread(scorer.wait_until, "/readyz", timeout_seconds=REQUESTER_SECONDS)
        except AssertionError as error:
            troubles.append(str(error))
        stack.note("over")
    troubles += [f"{word} in the log of scorer {number}" for number, word in _unexpected(stack)]
    books = balance(plan, outcomes_of(stack.journal))
    troubles = [*books.troubles, *troubles]
    return Entry(
        seed=plan.seed,
        fault=plan.fault.name,
        door=plan.fault.setup.door,
        moment=moment,
        outage_seconds=round(plan.outage_seconds, 3),
        expected=books.expected,
        scored=books.scored,
        failed=books.failed,
        expired=books.expired,
        twice=books.twice,
        seconds=round(time.monotonic() - begun, 2),
        troubles=troubles,
        story=_story(stack) if troubles else [],
    )


async def _moment(stack: Stack) -> int:
    """Wait for the moment of the plan; how many outcomes there are then."""

    def reached() -> bool:
        asked = any(isinstance(line, Submitted) for line in lines_of(stack.journal))
        return (asked and len(outcomes_of(stack.journal)) >= stack.plan.moment) or not stack.requester.running

    await until(reached, "the moment comes", REQUESTER_SECONDS)
    count = len(outcomes_of(stack.journal))
    stack.note(f"the moment: {count} outcomes")
    assert stack.requester.running or count == stack.plan.expected, "the requester ended before its time"
    return count


def _unexpected(stack: Stack) -> list[tuple[int, str]]:
    """Signs of errors that nobody foresaw."""
    logs = [scorer.printed() for scorer in stack.scorers]
    return [(number, word) for number, log in enumerate(logs) for word in UNEXPECTED if word in log]


def _story(stack: Stack) -> list[str]:
    logs = [
        f"--- {log.name}\n{log.read_text(errors='replace')[-LOG_TAIL:]}" for log in sorted(stack.folder.glob("*.log"))
    ]
    return [*stack.story, *logs]
