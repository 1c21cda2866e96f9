"""The adversarial phase: the Generator writes greetings that are bad and do not look it, and the Detector judges them.

Caught (0): the Detector's suggestion is feedback for S_G. Fooled (1): the Generator's explanation is feedback for S_D.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from shared.llm.role import Role
from trainer.judge_optimizer.asker import Asker, Call, all_of
from trainer.judge_optimizer.questions import Shown, feedback_line, to_advise, to_judge, to_write
from trainer.judge_optimizer.roles import Advice, Cast, Verdict, Written
from trainer.judge_optimizer.strategy import Strategies

AttackOutcome = Literal["caught", "fooled", "nothing_left", "failed"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One greeting that was to fool the Detector.

    Attributes:
        request: What it was written for.
        outcome: ``nothing_left``: all of it was an attack on its judge and cut out, which the judge serves as 0 without
            asking anybody; it counts as caught, and teaches nobody anything. ``failed``: there is no greeting, or no
            verdict.
        flags: Signs of an attack in it.
        written: The Generator's call.
        judged: The Detector's.
        advised: The Detector's suggestion; only for those caught.
    """

    request: str
    outcome: AttackOutcome
    flags: tuple[str, ...]
    written: Call[Written]
    judged: Call[Verdict] | None
    advised: Call[Advice] | None

    def to_json(self) -> dict[str, JsonValue]:
        """For the log."""
        return {
            "request": self.request,
            "outcome": self.outcome,
            "flags": list(self.flags),
            "written": self.written.to_json(),
            "judged": None if self.judged is None else self.judged.to_json(),
            "advised": None if self.advised is None else self.advised.to_json(),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class AdversarialPhase:
    """A batch of attacks."""

    attacks: tuple[Attack, ...]

    @property
    def judged(self) -> int:
        """Attacks that have an end."""
        return sum(attack.outcome != "failed" for attack in self.attacks)

    @property
    def fooled(self) -> int:
        """Attacks that passed for good."""
        return sum(attack.outcome == "fooled" for attack in self.attacks)

    @property
    def for_generator(self) -> list[str]:
        """Feedback for S_G."""
        answers = [attack.advised.answer for attack in self.attacks if attack.advised is not None]
        return [feedback_line(answer.suggestion) for answer in answers if answer is not None]

    @property
    def for_detector(self) -> list[str]:
        """Feedback for S_D."""
        answers = [attack.written.answer for attack in self.attacks if attack.outcome == "fooled"]
        return [feedback_line(answer.explanation) for answer in answers if answer is not None]


async def attack_all(
    asker: Asker, cast: Cast, strategies: Strategies, requests: Sequence[str], seeds: Sequence[int]
) -> AdversarialPhase:
    """One attack for each request, side by side."""
    generator, detector = cast.generator(strategies.generator), cast.detector(strategies.detector)
    attacks = await all_of(
        _attack(asker, cast, generator, detector, request, seed) for request, seed in zip(requests, seeds, strict=True)
    )
    return AdversarialPhase(tuple(attacks))


async def _attack(
    asker: Asker, cast: Cast, generator: Role[Written], detector: Role[Verdict], request: str, seed: int
) -> Attack:
    written = await asker.ask(
        generator, to_write(request), words=lambda answer: answer.greeting + answer.explanation, seed=seed
    )
    if written.answer is None:
        return Attack(request=request, outcome="failed", flags=(), written=written, judged=None, advised=None)
    shown = Shown.of(request, written.answer.greeting)
    outcome: AttackOutcome = "nothing_left"
    judged: Call[Verdict] | None = None
    advised: Call[Advice] | None = None
    if shown.has_words:
        judged = await asker.ask(detector, to_judge(shown), words=lambda answer: answer.reason)
        if judged.answer is None:
            outcome = "failed"
        elif judged.answer.verdict:
            outcome = "fooled"
        else:
            outcome = "caught"
            question = to_advise(shown, judged.answer.reason)
            advised = await asker.ask(cast.adviser, question, words=lambda answer: answer.suggestion)
    return Attack(request=request, outcome=outcome, flags=shown.flags, written=written, judged=judged, advised=advised)
