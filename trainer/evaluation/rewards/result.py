"""What an evaluation of rewards found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from shared.schemas import RewardInfo
from trainer.evaluation.intervals import Interval
from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.comparisons import Comparison
from trainer.evaluation.rewards.material import Material
from trainer.evaluation.rewards.measuring import Measure, Measured
from trainer.evaluation.rewards.outcomes import Outcomes
from trainer.evaluation.rewards.slices import Slice


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """All of it.

    Attributes:
        material: What was scored.
        infos: What each reward says of itself.
        outcomes: How each reward answered.
        columns: Of the rewards that are compared, then of the baselines.
        left_out: The rewards that are not compared: they scored too little.
        measured: Figures of what every compared reward scored.
        own: Figures of what one reward scored, where that is more.
        comparisons: Tests between columns.
        slices: Of the material's rows.
        requests_from: Whose requests tell what is asked often.
        often: So often at least something is asked for, among so many requests, that is high-frequency.
    """

    material: Material
    infos: Mapping[str, RewardInfo]
    outcomes: Mapping[str, Outcomes]
    columns: Sequence[Column]
    left_out: Sequence[Column]
    measured: Measured
    own: Mapping[str, Measured]
    comparisons: Sequence[Comparison]
    slices: Sequence[Slice]
    requests_from: str
    often: tuple[int, int]

    @property
    def rewards(self) -> list[Column]:
        """The columns of the rewards that are compared."""
        return [column for column in self.columns if column.kind == "reward"]

    @property
    def not_by_all(self) -> int:
        """Rows that not every compared reward scored: they are in no figure."""
        return len(self.material.rows) - self.measured.population.rows.size

    def figure(self, column: str, measure: Measure) -> Interval | None:
        """A figure with its interval."""
        found = self.measured.figures[(column, measure)]
        return None if found is None else found.interval

    def comparison(self, first: str, second: str, measure: Measure) -> Comparison | None:
        """A test between a reward and another column that stands behind it."""
        for found in self.comparisons:
            if (found.first, found.second, found.measure) == (first, second, measure):
                return found
        return None
