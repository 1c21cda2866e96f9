"""Time used by steps, and about how much is left: what each took once, scaled by this machine's pace so far."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from trainer.steps.step import Step

MINUTE = 60.0


class Estimate:
    """How long the rest will take, from what each step took where it was measured.

    Steps that were never measured count as nothing; without any there is no estimate.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._expected = {step.name: (step.minutes or 0.0) * MINUTE for step in steps}
        self._took: dict[str, float] = {}

    def is_done(self, name: str, seconds: float) -> None:
        """Note what a step took."""
        self._took[name] = seconds

    @property
    def done(self) -> int:
        """How many steps are."""
        return len(self._took)

    @property
    def used_seconds(self) -> float:
        """By all steps that are done."""
        return sum(self._took.values())

    def left_seconds(self, current: str | None = None, running_seconds: float = 0.0) -> float | None:
        """From now to the end; None where nothing was measured.

        Args:
            current: The step that runs.
            running_seconds: For how long it has.
        """
        left = 0.0
        for name, expected in self._expected.items():
            if name not in self._took:
                ran = running_seconds if name == current else 0.0
                left += max(0.0, expected * self._pace - ran)
        return left if any(self._expected.values()) else None

    @property
    def _pace(self) -> float:
        """How much slower this machine is than the one of the figures; of steps too short to tell, 1."""
        known = [name for name in self._took if self._expected[name] >= MINUTE]
        expected = sum(self._expected[name] for name in known)
        return sum(self._took[name] for name in known) / expected if expected else 1.0


def duration(seconds: float) -> str:
    """For people: ``48 s``, ``12 min``, ``1 h 5 min``."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def steps_bar(console: Console) -> Progress:
    """One line for all steps while one runs: each task is added with the field ``figures``."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console,
        transient=True,
    )
