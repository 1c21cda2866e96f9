"""What is to be asked: the cases of some probes, and flawed texts of the same data to measure rewards by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from trainer.data.labelled import Labelled
from trainer.data.matching import in_order
from trainer.evaluation.probes.case import ProbeCase
from trainer.evaluation.probes.catalogue import CASES, PROBES, make_cases
from trainer.evaluation.probes.probe import Probe

Row = tuple[str, str]
"""A prompt and a completion."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """Cases by probe, and flawed texts.

    Attributes:
        probes: In the order of their report.
        cases: By name of the probe; none where it cannot apply.
        flawed: As people label them, beside the honest texts of the cases: they tell how far apart a reward's values
            lie, and how many flawed texts it passes anyhow.
    """

    probes: Sequence[Probe]
    cases: Mapping[str, Sequence[ProbeCase]]
    flawed: Sequence[Row]

    @property
    def honest(self) -> list[Row]:
        """The honest texts of all cases, each once."""
        return list(dict.fromkeys((case.prompt, case.honest) for cases in self.cases.values() for case in cases))

    @property
    def rows(self) -> list[Row]:
        """All texts to be scored, each once, honest ones first: that many rollouts each reward is asked for."""
        tampered = ((case.prompt, case.tampered) for cases in self.cases.values() for case in cases)
        return list(dict.fromkeys([*self.honest, *self.flawed, *tampered]))

    def __str__(self) -> str:
        able = sum(bool(cases) for cases in self.cases.values())
        return (
            f"{sum(map(len, self.cases.values())):,} cases of {able} probes and {len(self.flawed):,} flawed texts: "
            f"{len(self.rows):,} rollouts for each reward"
        )


def plan_probes(
    rows: Iterable[Labelled],
    train: Iterable[Labelled] = (),
    *,
    seed: int = 0,
    limit: int = CASES,
    probes: Sequence[Probe] = PROBES,
) -> ProbePlan:
    """Make the cases of some probes, as `make_cases`, and draw up to ``limit`` flawed texts."""
    rows = list(dict.fromkeys(rows))
    bad = [row for row in rows if row.label == 0]
    drawn = in_order(bad, [row.id for row in bad], str(seed))[:limit]
    return ProbePlan(
        probes=probes,
        cases=make_cases(rows, train, seed=seed, limit=limit, probes=probes),
        flawed=[(row.prompt, row.completion) for row in drawn],
    )
