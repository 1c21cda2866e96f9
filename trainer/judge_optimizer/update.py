"""What becomes of the feedback of one phase: all of it goes into one call of the strategy optimizer.

A proposal that is no strategy is refused and stays in the log; nothing of it is applied.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from shared.llm.role import Role
from trainer.judge_optimizer.asker import Asker, Call
from trainer.judge_optimizer.errors import StrategyRefused
from trainer.judge_optimizer.questions import to_improve
from trainer.judge_optimizer.roles import Proposal
from trainer.judge_optimizer.strategy import RuleChanges, Strategy

UpdateOutcome = Literal["no_feedback", "failed", "refused", "unchanged", "proposed"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One attempt to improve a strategy.

    Attributes:
        outcome: ``proposed`` where there are new rules that are a strategy.
        strategy: The proposal where there is one, else the strategy as it was.
        changes: What the proposal changes.
        feedback: What the optimizer was told.
        call: Its call; None where it was told nothing.
        refusal: Why the proposal is no strategy.
    """

    outcome: UpdateOutcome
    strategy: Strategy
    changes: RuleChanges
    feedback: tuple[str, ...]
    call: Call[Proposal] | None
    refusal: StrategyRefused | None

    def to_json(self) -> dict[str, JsonValue]:
        """For the log."""
        return {
            "outcome": self.outcome,
            "feedback": list(self.feedback),
            "call": None if self.call is None else self.call.to_json(),
            "refusal": None if self.refusal is None else {"code": self.refusal.code, "detail": self.refusal.detail},
            "added": self.changes.added,
            "removed": self.changes.removed,
        }


async def improve(
    asker: Asker, optimizer: Role[Proposal], strategy: Strategy, feedback: Sequence[str], seed: int
) -> Update:
    """Ask the strategy optimizer for better rules. What says the same twice is told once."""
    told = tuple(dict.fromkeys(feedback))
    call: Call[Proposal] | None = None
    refusal: StrategyRefused | None = None
    proposed = strategy
    outcome: UpdateOutcome = "no_feedback"
    if told:
        call = await asker.ask(
            optimizer, to_improve(strategy, told), words=lambda answer: "".join(answer.rules) or None, seed=seed
        )
        outcome = "failed"
        if call.answer is not None:
            try:
                proposed = Strategy.checked(call.answer.rules)
                outcome = "unchanged" if proposed == strategy else "proposed"
            except StrategyRefused as error:
                outcome, refusal = "refused", error
    return Update(
        outcome=outcome,
        strategy=proposed,
        changes=proposed.changes_from(strategy),
        feedback=told,
        call=call,
        refusal=refusal,
    )
