"""Whether the books balance: expected = scored + failed + expired, none twice, each as foretold, and nothing left."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
from collections.abc import Sequence

from shared.queue.keys import GROUP, QueueKeys
from tests.chaos.journal import Outcome
from tests.chaos.plan import Foretold, Plan
from tests.support.processes import RedisServer
from tests.support.queues import dead_letters_in, id_in, keys_without_ttl
from tests.support.waiting import until

DRAIN_SECONDS = 60.0
"""How long it may take until the queue is empty, once the requester has what it wants."""
SHOWN = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What came of a round's rollouts.

    Attributes:
        twice: How many rollouts have more than one outcome.
        troubles: All that does not balance, in words; empty where everything does.
    """

    expected: int
    scored: int
    failed: int
    expired: int
    twice: int
    troubles: Sequence[str]


def balance(plan: Plan, outcomes: Sequence[Outcome]) -> Books:
    """Hold what the requester was told against what it asked."""
    asked = {each.id: each for each in plan.rollouts()}
    times = collections.Counter(outcome.id for outcome in outcomes)
    first = {outcome.id: outcome for outcome in reversed(outcomes)}
    statuses = collections.Counter(outcome.status for outcome in first.values())
    twice = [id_ for id_, count in times.items() if count > 1]
    troubles = [
        *_some("no outcome", [id_ for id_ in asked if id_ not in first]),
        *_some("more than one outcome", twice),
        *_some("never asked for", [id_ for id_ in first if id_ not in asked]),
        *_some(
            "not as foretold",
            [
                f"{id_}: {outcome.status} {outcome.reward} {outcome.code}"
                for id_, outcome in first.items()
                if id_ in asked and not _allowed(plan, plan.foretold(asked[id_]), outcome)
            ],
        ),
    ]
    if not statuses["scored"]:
        troubles.append("nothing at all was scored")
    if sum(statuses.values()) != len(asked):
        troubles.append(f"expected {len(asked)} = {' + '.join(map(str, statuses.values()))} is wrong")
    return Books(
        expected=len(asked),
        scored=statuses["scored"],
        failed=statuses["failed"],
        expired=statuses["expired"],
        twice=len(twice),
        troubles=troubles,
    )


def _allowed(plan: Plan, foretold: Foretold, outcome: Outcome) -> bool:
    """Whether an outcome is the one foretold, or one that the fault may have brought about."""
    if outcome.status == "expired":
        return plan.fault.may_expire
    if outcome.status == "failed" and outcome.code in plan.fault.may_fail:
        return True
    return (
        outcome.status == foretold.status
        and outcome.code in foretold.codes
        and (outcome.reward is None) == (foretold.reward is None)
        and math.isclose(outcome.reward or 0.0, foretold.reward or 0.0, abs_tol=1e-9)
    )


async def left_in(redis: RedisServer, keys: QueueKeys) -> Sequence[str]:
    """What is in Redis and should not be, once it has had the time to go away."""
    with redis.client() as client:
        with contextlib.suppress(AssertionError):  # what is left then is told below
            await until(lambda: not client.xlen(keys.rollouts), "the queue is empty", DRAIN_SECONDS)
        pending = client.xpending(keys.rollouts, GROUP)["pending"]
        return [
            *_some("still in the stream of rollouts", [str(entry) for entry, _ in client.xrange(keys.rollouts) or []]),
            *([f"{pending} entries still pending"] if pending else []),
            *_some("tries still counted", list(map(str, client.hkeys(keys.repetitions)))),
            *_some("keys without a TTL", keys_without_ttl(redis)),
        ]


def wrong_dead_letters(plan: Plan, redis: RedisServer, outcomes: Sequence[Outcome]) -> Sequence[str]:
    """A rollout of the queue that failed has a dead letter; others have none, but for those bound to fail."""
    if plan.fault.setup.door != "queue":
        return []
    dead = {id_in(letter) for letter in dead_letters_in(redis, plan.keys)}
    failed = {outcome.id for outcome in outcomes if outcome.status == "failed"}
    bound = {each.id for each in plan.rollouts() if plan.foretold(each).status == "failed"}
    return [
        *_some("failed without a dead letter", sorted(failed - dead)),
        *_some("a dead letter of what did not fail", sorted(dead - failed - bound)),
    ]


def _some(what: str, which: Sequence[str]) -> Sequence[str]:
    more = f" and {len(which) - SHOWN} more" if len(which) > SHOWN else ""
    return [f"{what}: {', '.join(which[:SHOWN])}{more}"] if which else []
