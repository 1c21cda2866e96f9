"""Attacks: whether the policy learns to talk to whoever judges it."""

from __future__ import annotations

from shared.untrusted import FLAGS, inspect
from trainer.monitors.monitor import MeasuredMonitor, ScoredStep


class Attacks(MeasuredMonitor):
    """Share of the completions with signs of an attack: those that the detector sees, and those that a score carries.

    The judge and the agents flag what they read; what a reward model reads nobody does, so it is looked through here.
    Source of the worry: Raina et al. 2024, https://arxiv.org/abs/2402.14016. What the flags are: `shared.untrusted`.
    """

    name = "attacks"
    title = "攻击评委 · signs of an attack"
    unit = "share"

    def measure(self, step: ScoredStep) -> float | None:
        """Flags that `shared.untrusted` does not know are a reward's own affair, and count for nothing."""
        known = set(FLAGS)
        seen = [
            bool(known.intersection(flags)) or bool(inspect(text).flags)
            for text, flags in zip(step.completions, step.flags, strict=True)
        ]
        return sum(seen) / len(seen)
