"""A ceiling on tokens: no prompt is begun that would probably pass it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(slots=True, kw_only=True)
class TokenBudget:
    """What was paid so far, over all runs of a journal, and what one more prompt is expected to cost.

    Expected is the mean of all prompts that cost anything. Those answered from a cache do not count: a run may begin
    with thousands of them, and the first that is not cached costs as much as ever.
    """

    ceiling: int | None
    paid: int = 0
    paying: int = 0

    @property
    def expected(self) -> float | None:
        """Tokens of one prompt; None before the first that cost something."""
        return self.paid / self.paying if self.paying else None

    def pay(self, tokens: int) -> None:
        """Count what a prompt has cost."""
        if tokens:
            self.paid += tokens
            self.paying += 1

    def allows(self, under_way: int) -> bool:
        """Whether one more prompt may begin beside those under way. Before a cost is known, one at a time may."""
        if self.ceiling is None:
            return True
        if self.expected is None:
            return under_way == 0
        return self.paid + (under_way + 1) * self.expected <= self.ceiling
