"""Everything that filled sheets say, and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from shared.errors import InvalidData
from trainer.evaluation.policies.texts import EvaluatedText
from trainer.evaluation.ratings.agreement import (
    SCORE_NAME,
    Agreement,
    PairAgreement,
    agreement,
    copied_sheets,
    pair_agreements,
    rated,
)
from trainer.evaluation.ratings.filled import FilledSheet
from trainer.evaluation.ratings.key import Key
from trainer.evaluation.ratings.people import (
    ModelByPeople,
    PeopleComparison,
    RatedItem,
    models_by_people,
    people_compare,
    rated_items,
)
from trainer.evaluation.ratings.reward_agreement import RewardAndPeople, rewards_and_people


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All of it.

    Attributes:
        handed_out: Items on the sheets, each counted once.
        sheets: Those with points.
        empty_sheets: Names of the others.
        copied: Pairs of sheets that are the same in every point.
        items: With a complete rating at least.
        agreements: Of all raters, by what they rated.
        pairs: Of any two raters.
        models: What people say of each policy.
        comparisons: Of any two policies.
        rewards: Beside people; empty where no rewards are known.
    """

    handed_out: int
    sheets: Sequence[FilledSheet]
    empty_sheets: Sequence[str]
    copied: Sequence[tuple[str, str]]
    items: Sequence[RatedItem]
    agreements: Sequence[Agreement]
    pairs: Sequence[PairAgreement]
    models: Sequence[ModelByPeople]
    comparisons: Sequence[PeopleComparison]
    rewards: Sequence[RewardAndPeople]

    @property
    def on_score(self) -> Agreement:
        """How far raters agree on the weighted score."""
        (found,) = [each for each in self.agreements if each.name == SCORE_NAME]
        return found

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "handed_out": self.handed_out,
            "raters": [
                {
                    "name": sheet.rater,
                    "items": sheet.items,
                    "rated": len(sheet.points),
                    "complete": len(sheet.complete),
                    "comments": len(sheet.comments),
                }
                for sheet in self.sheets
            ],
            "empty_sheets": list(self.empty_sheets),
            "copied_sheets": [list(pair) for pair in self.copied],
            "items": [
                {
                    "id": item.id,
                    "prompt_id": item.item.prompt_id,
                    "models": sorted(item.models),
                    "ratings": len(item.ratings),
                    "score": item.score,
                    "acceptable": item.acceptable,
                }
                for item in self.items
            ],
            "agreement": [dataclasses.asdict(each) for each in self.agreements],
            "pairs": [dataclasses.asdict(each) for each in self.pairs],
            "models": [dataclasses.asdict(each) for each in self.models],
            "comparisons": [dataclasses.asdict(each) for each in self.comparisons],
            "rewards": [dataclasses.asdict(each) for each in self.rewards],
        }


def findings(
    sheets: Sequence[FilledSheet], key: Key, texts: Sequence[EvaluatedText] | None, *, seed: int = 0
) -> Findings:
    """Sum up filled sheets.

    Args:
        sheets: At least one.
        key: What their ids stand for.
        texts: Of the evaluation that the items are from, to compare its rewards with people; None where there are none.
        seed: Of intervals and tests.

    Raises:
        InvalidData: Not one text has points in every dimension, or the texts are not those that were rated.
    """
    filled = [sheet for sheet in sheets if sheet.points]
    items = rated_items(filled, key)
    if not items:
        names = ", ".join(sheet.rater for sheet in sheets)
        raise InvalidData(names, "not one text has points in all five dimensions")
    if texts is not None:
        _check_texts(key, texts)
    things = rated(filled)
    models = key.models
    return Findings(
        handed_out=len(key.items),
        sheets=filled,
        empty_sheets=[sheet.rater for sheet in sheets if not sheet.points],
        copied=copied_sheets(filled),
        items=items,
        agreements=[agreement(each, seed=seed) for each in things],
        pairs=[pair for each in things for pair in pair_agreements(each, seed=seed)],
        models=models_by_people(items, models),
        comparisons=people_compare(items, models, seed=seed),
        rewards=[] if texts is None else rewards_and_people(items, texts, seed=seed),
    )


def _check_texts(key: Key, texts: Sequence[EvaluatedText]) -> None:
    known = {(text.model, text.id): text.completion for text in texts}
    for name, item in key.items.items():
        for origin in item.origins:
            if known.get((origin.model, origin.sample), item.text) != item.text:
                raise InvalidData(
                    f"{origin.model}, {origin.sample}",
                    f"the evaluation holds another text now than the one that was rated as {name}",
                )
