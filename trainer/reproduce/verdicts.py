"""Which rows of the matrix learned, which did not, and what length did: paired by prompt, against another row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from enum import StrEnum

from trainer.evaluation.intervals import Interval
from trainer.reproduce.results import Comparison, PoliciesResult
from trainer.reproduce.rows import BASE, ROWS, Row


class Verdict(StrEnum):
    """What became of a row's reward."""

    LEARNED = "learned"
    BY_LENGTH = "rose, by length"
    NO_CHANGE = "no change seen"
    WORSE = "worse"
    NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A row against an earlier one, under one reward.

    Attributes:
        row: Which.
        against: The other one.
        reward: By which.
        comparison: The figures; None where there are none.
    """

    row: Row
    against: Row
    reward: str
    comparison: Comparison | None

    @property
    def climbed(self) -> bool:
        """Whether this is the reward that the row was trained on."""
        return self.row.reward == self.reward

    @property
    def difference(self) -> Interval | None:
        """In mean reward; None where there is no such figure."""
        return None if self.comparison is None or self.comparison.mean is None else self.comparison.mean.interval

    @property
    def verdict(self) -> Verdict:
        """Rewards rose where the 95 % interval of the paired difference is above zero.

        They rose by length where that explains most of it, or where nothing is seen to be left at equal length.
        """
        found, difference = self.comparison, self.difference
        if found is None or difference is None:
            return Verdict.NOT_MEASURED
        if not difference.excludes_zero:
            return Verdict.NO_CHANGE
        if difference.mean < 0:
            return Verdict.WORSE
        left = found.at_equal_length
        if found.rises_mostly_by_length or (left is not None and left.low <= 0):
            return Verdict.BY_LENGTH
        return Verdict.LEARNED


def changes(result: PoliciesResult) -> Iterator[Change]:
    """Every row against the base, and those that grew from SFT against that as well, under every reward."""
    for row in ROWS:
        for against in ROWS:
            if row.name != against.name and against.name in {BASE, row.start}:
                for reward in result.rewards:
                    comparison = result.comparison(against.name, row.name, reward)
                    yield Change(row=row, against=against, reward=reward, comparison=comparison)


def learned_from_its_reward(found: list[Change]) -> dict[str, Verdict]:
    """For each row that climbed a reward, what that reward says of it against where it began."""
    return {
        change.row.name: change.verdict
        for change in found
        if change.climbed and change.against.name == change.row.start
    }
