"""What is rated, and by whom: every policy on the same prompts, nothing that tells who wrote."""

from __future__ import annotations

import collections

import pytest

from shared.errors import InvalidRequest
from tests.unit.trainer.evaluation.ratings.made import evaluated
from trainer.evaluation.ratings.items import ID_LETTERS, Drawn, draw_items

MODELS = ["base", "sft", "sft+rl"]


def drawn(*, items: int = 30, raters: int = 3, overlap: float = 1.0, seed: int = 0, prompts: int = 40) -> Drawn:
    return draw_items(evaluated(MODELS, prompts), items=items, raters=raters, overlap=overlap, seed=seed)


def prompts_on(found: Drawn, rater: str) -> set[str]:
    by_id = {item.id: item.prompt_id for item in found.items}
    return {by_id[name] for name in found.sheets[rater]}


def test_for_each_prompt_one_text_of_every_policy_is_rated() -> None:
    found = drawn()
    wrote: dict[str, list[str]] = collections.defaultdict(list)
    for item in found.items:
        wrote[item.prompt_id] += [origin.model for origin in item.origins]
    assert (len(found.items), found.prompts) == (30, 10)
    assert all(sorted(models) == sorted(MODELS) for models in wrote.values())


def test_with_full_overlap_all_raters_have_all_items_in_orders_of_their_own() -> None:
    sheets = drawn().sheets
    assert list(sheets) == ["rater-1", "rater-2", "rater-3"]
    assert len({frozenset(ids) for ids in sheets.values()}) == 1
    assert len({tuple(ids) for ids in sheets.values()}) == 3


def test_with_less_overlap_the_other_prompts_are_shared_out() -> None:
    found = drawn(items=90, overlap=0.2)
    on_sheets = [prompts_on(found, rater) for rater in found.sheets]
    common = set.intersection(*on_sheets)
    assert (found.prompts, found.common, len(common)) == (30, 6, 6)
    assert [len(prompts) for prompts in on_sheets] == [14, 14, 14]
    assert len(set.union(*on_sheets)) == 30


def test_ids_say_nothing_and_are_no_numbers_or_words() -> None:
    ids = [item.id for item in drawn(items=90).items]
    assert len(set(ids)) == 90
    assert all(set(name) <= set(ID_LETTERS) for name in ids)
    assert not set("AEIOUY0123456789") & set(ID_LETTERS)


def test_the_same_text_of_two_policies_is_rated_once() -> None:
    texts = evaluated(MODELS, 5, completion=lambda model, prompt, number: "新" if model == "base" else f"旧{prompt}")
    found = draw_items(texts, items=15, raters=2, overlap=1.0, seed=0)
    assert len(found.items) == 10
    assert sorted(len(item.origins) for item in found.items) == [1] * 5 + [2] * 5
    assert len(found.sheets["rater-1"]) == 10


def test_the_same_seed_gives_the_same_sheets_and_another_one_does_not() -> None:
    assert drawn(seed=1) == drawn(seed=1)
    assert drawn(seed=1).sheets != drawn(seed=2).sheets


def test_no_more_prompts_are_drawn_than_there_are() -> None:
    assert drawn(items=3000, prompts=4).prompts == 4


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no place for one text of each of 3 policies"):
        drawn(items=2)
    apart = [text for text in evaluated(["a", "b"], 4) if (text.model == "a") == (text.prompt_id < "row-3")]
    with pytest.raises(InvalidRequest, match="no prompt for which every policy wrote"):
        draw_items(apart, items=10, raters=1, overlap=1.0, seed=0)
