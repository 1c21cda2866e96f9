"""What a round does, drawn from its seed: two rounds of one seed do the same, as far as processes let them."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence

from shared.queue.keys import QueueKeys
from shared.schemas import Rollout, Status
from tests.chaos.faults import FAULTS, Fault
from tests.support.greetings import rollout
from tests.support.judge import greeting
from tests.support.scorers import FAILS, FAILS_FOR_GOOD, TOO_LONG, reward_of

CODES: Mapping[str, frozenset[str | None]] = {
    FAILS: frozenset({"judge_unsure", "attempts_exhausted"}),
    FAILS_FOR_GOOD: frozenset({"refused"}),
    TOO_LONG: frozenset({"text_too_long"}),
}
"""How a rollout fails that has one of these markers."""
MARKED_SHARE = 0.03
LAST_MOMENT = 0.7
"""A fault strikes when at most this share of all outcomes is there."""
LABELS = ("好", "差")
JUDGE_REWARD = 1 / (1 + math.exp(-1.6))
"""What the judge makes of the stand-in's answer to each question: log-probabilities of -0.2 and -1.8."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """The outcome that a rollout has where nothing is broken.

    Attributes:
        codes: Of its failure, any of them. What fails at every try may meet the end of its process at the last one.
    """

    status: Status
    reward: float | None = None
    codes: frozenset[str | None] = frozenset({None})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One round.

    Attributes:
        expected: How many rollouts are asked for.
        calls_of: How many of them in a call.
        moment: How many outcomes the requester has when the fault strikes, at least.
        delay_seconds: How long after that it strikes.
        outage_seconds: How long it lasts.
    """

    seed: int
    fault: Fault
    expected: int
    calls_of: int
    moment: int
    delay_seconds: float
    outage_seconds: float

    @property
    def keys(self) -> QueueKeys:
        """Of the reward that is asked for."""
        return QueueKeys("judge" if self.fault.setup.judge else "greetings")

    def rollouts(self) -> Sequence[Rollout]:
        """What is asked for, some of it bound to fail."""
        draw = random.Random(f"rollouts of {self.seed}")
        if self.fault.setup.judge:
            return [greeting(number) for number in range(self.expected)]
        markers = [draw.choice(list(CODES)) if draw.random() < MARKED_SHARE else "" for _ in range(self.expected)]
        return [rollout(number, marker, repeat=draw.randint(1, 6)) for number, marker in enumerate(markers)]

    def foretold(self, each: Rollout) -> Foretold:
        """What becomes of it where nothing is broken."""
        if self.fault.setup.judge:
            return Foretold(status="scored", reward=JUDGE_REWARD)
        for marker, codes in CODES.items():
            if marker in each.completion:
                return Foretold(status="failed", codes=codes)
        return Foretold(status="scored", reward=reward_of(each))


def drawn(seed: int, faults: Sequence[Fault] = FAULTS) -> Plan:
    """The plan of a seed, its fault one of those given: all kinds are as likely, and within a kind all variants."""
    draw = random.Random(f"round {seed}")
    kind = draw.choice(sorted({fault.kind for fault in faults}))
    fault = draw.choice([fault for fault in faults if fault.kind == kind])
    expected = draw.randint(40, 80) if fault.setup.judge else draw.randint(200, 500)
    return Plan(
        seed=seed,
        fault=fault,
        expected=expected,
        calls_of=draw.randint(3, 8) if fault.setup.judge else draw.randint(8, 40),
        moment=draw.randint(0, round(LAST_MOMENT * expected)),
        delay_seconds=draw.uniform(0.0, 0.1),
        outage_seconds=draw.uniform(*fault.outage_seconds),
    )
