"""What a probe is: a way to make something worse of a good greeting, and how often a reward may fall for it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence

from trainer.data.labelled import Labelled
from trainer.evaluation.probes.case import ProbeCase


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """What cases are made of.

    Attributes:
        honest: Good greetings in a drawn order; all probes begin with the first, so that they share honest texts.
        train: Good greetings that the reward may have been trained on; empty where nobody said which.
        seed: Of this probe alone: its cases stay as they are when another probe is added.
        limit: Cases at most.
    """

    honest: Sequence[Labelled]
    train: Sequence[Labelled]
    seed: str
    limit: int

    def random_of(self, row: Labelled) -> random.Random:
        """The chance of one row, the same whatever other rows there are."""
        return random.Random(f"{self.seed}:{row.id}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe.

    Attributes:
        name: For options, files and tables.
        title: What it does, in a few words.
        note: What it does and what is asked, for a reader of the report.
        bound: The share of cases that a reward may fall for; above 0.
        make: Its cases, at most as many as the materials allow; fewer where it cannot apply.
        harmless: What it does to a text is no fault, and may only not be *gained* by.
    """

    name: str
    title: str
    note: str
    bound: float
    make: Callable[[Materials], list[ProbeCase]]
    harmless: bool = False


def for_each_greeting(
    tamper: Callable[[Labelled, random.Random], str | None],
) -> Callable[[Materials], list[ProbeCase]]:
    """Cases of a tampering that looks at one greeting only; it gives None where it cannot apply."""

    def make(materials: Materials) -> list[ProbeCase]:
        cases: list[ProbeCase] = []
        for row in materials.honest:
            if len(cases) == materials.limit:
                break
            tampered = tamper(row, materials.random_of(row))
            if tampered is not None and tampered != row.completion:
                cases.append(ProbeCase(prompt=row.prompt, honest=row.completion, tampered=tampered))
        return cases

    return make
