"""What people say of each policy, and of any two of them."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence

from trainer.evaluation.intervals import Interval
from trainer.evaluation.policies.comparison import Difference, corrected, difference
from trainer.evaluation.policies.prompt_means import mean_over_prompts, share_over_prompts
from trainer.evaluation.ratings.filled import FilledSheet, Points
from trainer.evaluation.ratings.key import Key, KeyItem
from trainer.evaluation.ratings.rubric import DIMENSIONS, acceptable, weighted_mean


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RatedItem:
    """One text and all complete ratings of it."""

    id: str
    item: KeyItem
    ratings: Sequence[Points]

    @property
    def score(self) -> float:
        """The weighted mean over all raters, 1 to 3."""
        return weighted_mean(self.ratings)

    @property
    def acceptable(self) -> bool:
        """Whether that is at least 2."""
        return acceptable(self.ratings)

    @property
    def models(self) -> set[str]:
        """Who wrote it."""
        return {origin.model for origin in self.item.origins}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelByPeople:
    """One policy. Intervals are over prompts, of which each has one text."""

    model: str
    items: int
    acceptable: Interval | None
    score: Interval | None
    dimensions: Mapping[str, Interval | None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PeopleComparison:
    """Two policies on the prompts for which texts of both were rated; other minus one."""

    one: str
    other: str
    acceptable: Difference | None
    score: Difference | None


def rated_items(sheets: Sequence[FilledSheet], key: Key) -> list[RatedItem]:
    """Every item with at least one complete rating, in the order of the key."""
    ratings: dict[str, list[Points]] = collections.defaultdict(list)
    for sheet in sheets:
        for item, points in sheet.complete.items():
            ratings[item].append(points)
    return [RatedItem(id=name, item=item, ratings=ratings[name]) for name, item in key.items.items() if name in ratings]


def models_by_people(items: Sequence[RatedItem], models: Sequence[str]) -> list[ModelByPeople]:
    """Each policy."""

    def mean_points(item: RatedItem, dimension: str) -> float:
        return statistics.fmean(points[dimension] for points in item.ratings)

    return [
        ModelByPeople(
            model=model,
            items=sum(model in item.models for item in items),
            acceptable=share_over_prompts(_by_prompt(items, model, lambda item: float(item.acceptable)).values()),
            score=mean_over_prompts(_by_prompt(items, model, lambda item: item.score).values()),
            dimensions={
                dimension.name: mean_over_prompts(
                    [mean_points(item, dimension.name) for item in items if model in item.models]
                )
                for dimension in DIMENSIONS
            },
        )
        for model in models
    ]


def people_compare(items: Sequence[RatedItem], models: Sequence[str], *, seed: int = 0) -> list[PeopleComparison]:
    """Every pair of policies that have rated texts for common prompts."""
    found = []
    for one, other in itertools.combinations(models, 2):
        by_acceptable, by_score = (
            difference(_by_prompt(items, one, value), _by_prompt(items, other, value), seed=seed)
            for value in (lambda item: float(item.acceptable), lambda item: item.score)
        )
        if by_score is not None:
            found.append(PeopleComparison(one=one, other=other, acceptable=by_acceptable, score=by_score))
    acceptables = corrected([each.acceptable for each in found])
    scores = corrected([each.score for each in found])
    return [
        dataclasses.replace(each, acceptable=by_acceptable, score=by_score)
        for each, by_acceptable, by_score in zip(found, acceptables, scores, strict=True)
    ]


def _by_prompt(items: Sequence[RatedItem], model: str, value: Callable[[RatedItem], float]) -> dict[str, float]:
    return {item.item.prompt_id: value(item) for item in items if model in item.models}
