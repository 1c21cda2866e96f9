"""From sheets to agreement: by dimension, on the weighted score and on what is acceptable; missing ratings stay so."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.unit.trainer.evaluation.ratings.made import filled
from trainer.evaluation.ratings.agreement import (
    ACCEPTABLE_NAME,
    SCORE_NAME,
    Agreement,
    agreement,
    copied_sheets,
    pair_agreements,
    rated,
)
from trainer.evaluation.ratings.filled import FilledSheet


def by_name(sheets: list[FilledSheet]) -> dict[str, Agreement]:
    return {what.name: agreement(what) for what in rated(sheets)}


def test_raters_who_give_the_same_agree_fully_on_everything() -> None:
    points = {"a": (1, 2, 3, 2, 1), "b": (3, 3, 2, 3, 2), "c": (1, 1, 1, 1, 3)}
    found = by_name([filled("one", points), filled("other", points)])
    assert set(found) == {"language", "creativity", "emotion", "culture", "richness", SCORE_NAME, ACCEPTABLE_NAME}
    for name, each in found.items():
        assert each.ordinal is not None, name
        assert each.interval is not None, name
        assert each.items == 3, name
        assert [each.ordinal.mean, each.interval.mean] == pytest.approx([1.0, 1.0]), name
    on_language = found["language"]
    assert on_language.exact is not None
    assert on_language.fleiss is not None
    assert (on_language.exact.mean, on_language.fleiss.mean) == (1.0, 1.0)
    assert found[SCORE_NAME].fleiss is None, "hardly any two scores are the same; kappas count nothing else"


def test_pairs_are_of_what_both_rated() -> None:
    random = np.random.default_rng(0)
    names = [f"item-{number}" for number in range(30)]
    one = {name: int(random.integers(1, 4)) for name in names}
    other = {name: int(np.clip(points + random.integers(-1, 2), 1, 3)) for name, points in one.items()}
    sheets = [filled("one", one), filled("other", dict(list(other.items())[:20])), filled("silent", {})]
    language, *_ = rated(sheets)
    (pair,) = pair_agreements(language)
    assert (pair.one, pair.other, pair.items) == ("one", "other", 20)
    assert pair.kappa is not None
    assert pair.quadratic is not None
    both = names[:20]
    first, second = [one[name] for name in both], [other[name] for name in both]
    assert pair.kappa.mean == pytest.approx(cohen_kappa_score(first, second))
    assert pair.quadratic.mean == pytest.approx(cohen_kappa_score(first, second, weights="quadratic"))


def test_a_text_rated_in_part_counts_for_its_dimensions_only() -> None:
    sheets = [filled("one", {"a": (1, 2, 3, 2, 1), "b": 3}), filled("other", {"a": (1, None, 3, 2, 1), "b": 3})]
    found = by_name(sheets)
    assert [found[name].items for name in ("language", "creativity", SCORE_NAME, ACCEPTABLE_NAME)] == [2, 1, 1, 1]


def test_the_verdict_is_that_of_the_weighted_mean() -> None:
    at_bound, below = (3, 1, 3, 1, 2), (3, 1, 2, 1, 2)
    *_, verdict = rated([filled("one", {"a": at_bound, "b": below})])
    assert verdict.ratings.tolist() == [[1], [0]]
    *_, score, _ = rated([filled("one", {"a": 1, "b": 3, "c": at_bound})])
    assert score.ratings.tolist() == [[0], [40], [20]]
    assert score.categories == 41


def test_one_rater_alone_agrees_with_nobody() -> None:
    found = by_name([filled("one", {"a": 1, "b": 3})])
    assert {each.items for each in found.values()} == {0}
    assert {each.interval for each in found.values()} == {None}


def test_a_sheet_that_was_handed_in_twice_is_seen() -> None:
    points: dict[str, tuple[int | None, ...] | int] = {"a": 1, "b": (1, None, 2, 3, 1)}
    sheets = [filled("one", points), filled("one (1)", points), filled("two", {"a": 2}), filled("silent", {})]
    assert copied_sheets([*sheets, filled("silent too", {})]) == [("one", "one (1)")]
