"""Which rows belong together, and folds that share nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.folding import folded_text
from trainer.evaluation.rewards.groups import folds_of, linked_groups, request_groups


def test_requests_are_the_same_without_regard_to_width_case_and_white_space() -> None:
    assert request_groups(["生日 祝福", "乔迁祝福", "生日祝福", "ＡＢ", "ab"]).tolist() == [0, 1, 0, 2, 2]


def test_rows_are_linked_by_request_or_text_and_by_way_of_others() -> None:
    rows = [("甲", "一"), ("乙", "二"), ("丙", "三"), ("甲", "二"), ("丁", "四")]
    assert linked_groups(rows).tolist() == [0, 0, 1, 0, 2]


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from("甲乙丙丁戊己庚辛"), st.sampled_from("一二三四五六七八九十")), min_size=1, max_size=40
    )
)
def test_no_fold_shares_a_request_or_a_text_with_another(rows: list[tuple[str, str]]) -> None:
    groups = linked_groups(rows)
    if groups.max() + 1 < 2:
        with pytest.raises(ValueError, match="do not fill"):
            folds_of(groups, count=2, seed=0)
        return
    folds = folds_of(groups, count=2, seed=0)
    for place in (0, 1):
        first, second = (
            {folded_text(row[place]) for row, fold in zip(rows, folds, strict=True) if fold == one} for one in (0, 1)
        )
        assert not first & second
        assert first
        assert second


def test_folds_are_of_about_one_size_and_hang_on_the_seed_alone() -> None:
    groups = np.repeat(np.arange(40), 3)
    folds = folds_of(groups, seed=1)
    assert np.bincount(folds).tolist() == [24] * 5
    assert np.array_equal(folds, folds_of(groups, seed=1))
    assert not np.array_equal(folds, folds_of(groups, seed=2))
