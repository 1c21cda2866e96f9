"""The rows of the paper's matrix: where a policy begins, and which reward it climbs."""

from __future__ import annotations

import dataclasses

from trainer.stack.services import JUDGE, REWARD_MODEL

BASE, SFT = "base", "sft"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy.

    Attributes:
        name: Of its folder and in tables of ours.
        title: As in the paper.
        start: The policy that it grows from; None for the base.
        reward: What it climbs; None without reinforcement learning.
    """

    name: str
    title: str
    start: str | None = None
    reward: str | None = None


ROWS = (
    Row(name=BASE, title="base"),
    Row(name=SFT, title="SFT", start=BASE),
    Row(name="rm-rl", title="RM+RL", start=BASE, reward=REWARD_MODEL),
    Row(name="judge-rl", title="judge+RL", start=BASE, reward=JUDGE),
    Row(name="sft-rm-rl", title="SFT+RM+RL", start=SFT, reward=REWARD_MODEL),
    Row(name="sft-judge-rl", title="SFT+judge+RL", start=SFT, reward=JUDGE),
)


def row_named(name: str) -> Row:
    """The row of a name."""
    return next(row for row in ROWS if row.name == name)
