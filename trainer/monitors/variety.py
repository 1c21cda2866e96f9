"""Variety: whether the policy says the same again and again, within its texts or from one to another."""

from __future__ import annotations

from typing import ClassVar, Final

from trainer.data.folding import folded_text
from trainer.monitors.monitor import Figures, MeasuredMonitor, Monitor, ScoredStep, Start
from trainer.monitors.threshold import Direction
from trainer.text_stats import distinct_in

CHARACTERS: Final = 512
"""Variety falls with the amount of text: it is counted in so many characters of a step, in all where it has fewer."""


class Distinct(Monitor):
    """Distinct character bigrams as a share of all, against the run's start: 1 is as many, 0.5 half as many.

    Source: Li et al. 2016, https://arxiv.org/abs/1510.03055, there with words; why the amount of text has to be held
    fixed: Liu et al. 2022, https://arxiv.org/abs/2202.13587.
    """

    name = "distinct_2"
    title = "用词变化 · distinct-2 against the start"
    unit = "ratio"
    direction: ClassVar[Direction] = "low"

    def __init__(self) -> None:
        self._start = Start()

    @property
    def figure(self) -> str:
        """Not that of all the text."""
        return f"policy/distinct_2_in_{CHARACTERS}"

    def measure(self, step: ScoredStep) -> float | None:
        """Averaged over some draws, the same ones each time."""
        texts = [folded_text(text) for text in step.completions]
        return distinct_in(texts, 2, CHARACTERS, seed=0) if any(texts) else None

    def observe(self, figures: Figures) -> float | None:
        """None in the first steps."""
        if (value := figures.get(self.figure)) is None:
            return None
        start = self._start.take(value)
        return value / start if start else None


class Duplicates(MeasuredMonitor):
    """Share of a step's completions that say what another one of the step says, for the same prompt or another.

    One text over and over is what a policy ends in that has nothing left to explore: Kirk et al. 2023,
    https://arxiv.org/abs/2310.06452.
    """

    name = "duplicates"
    title = "重复的回答 · duplicates"
    unit = "share"

    def measure(self, step: ScoredStep) -> float | None:
        """Width, case and white space do not tell two texts apart. The first of some equal ones is no repetition."""
        texts = [folded_text(text) for text in step.completions]
        return 1 - len(set(texts)) / len(texts)
