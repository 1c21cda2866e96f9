"""All that a run of the recipe measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.reproduce.published import ABLATIONS
from trainer.reproduce.recipe import RESULT, Recipe
from trainer.reproduce.results import AuditResult, PoliciesResult, RewardsResult, SplitResult, read_result
from trainer.reproduce.verdicts import Change, changes
from trainer.stack.llm import LocalLlm
from trainer.steps.records import StepRecords
from trainer.steps.step import Step

SPLITS = ("pairs", "examples", "requests", "held-out")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """How long a step took, over all of its attempts that were seen to end."""

    name: str
    title: str
    seconds: float
    attempts: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All of it.

    Attributes:
        preset: Which sizes.
        llm: What judged, for people.
        is_stand_in: Whether that is the small one of this machine.
        audit: Of the published files.
        splits: What is left of them, by name.
        rewards: The rewards on the evaluation set and the test pairs.
        without: The agents without one of them, by its name; empty where they are not evaluated.
        policies: All six.
        times: Of the steps.
    """

    preset: str
    llm: str
    is_stand_in: bool
    audit: AuditResult
    splits: Mapping[str, SplitResult]
    rewards: RewardsResult
    without: Mapping[str, RewardsResult]
    policies: PoliciesResult
    times: Sequence[StepTime]

    @property
    def changes(self) -> list[Change]:
        """Rows against rows."""
        return list(changes(self.policies))

    def record(self) -> dict[str, Any]:
        """As JSON values: what the tables are made of."""
        return {
            "preset": self.preset,
            "llm": self.llm,
            "policies": self.policies.model_dump(mode="json"),
            "rewards": self.rewards.model_dump(mode="json"),
            "without": {name: each.model_dump(mode="json") for name, each in self.without.items()},
            "audit": self.audit.model_dump(mode="json"),
            "splits": {name: each.model_dump(mode="json") for name, each in self.splits.items()},
            "verdicts": [
                {
                    "row": change.row.name,
                    "against": change.against.name,
                    "reward": change.reward,
                    "climbed": change.climbed,
                    "verdict": change.verdict.value,
                }
                for change in self.changes
            ],
            "steps": [dataclasses.asdict(each) for each in self.times],
            "seconds": sum(each.seconds for each in self.times),
        }


def read_measured(recipe: Recipe, steps: Sequence[Step]) -> Measured:
    """Read what all steps have left.

    Raises:
        InvalidData: A result is not there, or not what it should be.
    """
    output = recipe.output
    without = ABLATIONS if recipe.preset.agents else {}
    return Measured(
        preset=recipe.preset.name,
        llm=recipe.llm.alias,
        is_stand_in=isinstance(recipe.llm, LocalLlm),
        audit=read_result(output / "audit" / RESULT, AuditResult),
        splits={name: read_result(output / "data" / name / "split.json", SplitResult) for name in SPLITS},
        rewards=read_result(output / "rewards" / RESULT, RewardsResult),
        without={part: read_result(output / f"without-{part}" / RESULT, RewardsResult) for part in without},
        policies=read_result(output / "policies" / RESULT, PoliciesResult),
        times=step_times(recipe, steps),
    )


def step_times(recipe: Recipe, steps: Sequence[Step]) -> list[StepTime]:
    """Of the steps that have begun."""
    records = StepRecords(recipe.output)
    return [
        StepTime(name=step.name, title=step.title, seconds=record.seconds, attempts=record.attempts)
        for step in steps
        if (record := records.of(step)) is not None
    ]
