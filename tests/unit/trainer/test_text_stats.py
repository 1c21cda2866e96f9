"""Figures about texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.text_stats import distinct_n, known_share

TEXTS = st.lists(st.text(alphabet="祝你生日快乐，。", max_size=12), max_size=6)


def test_distinct_counts_each_bigram_once_over_all_texts() -> None:
    assert distinct_n(["祝你好", "祝你好"], 2) == 0.5
    assert distinct_n(["祝你好", "生日快乐"], 2) == 1.0
    assert distinct_n(["哈哈哈哈哈"], 2) == 0.25
    assert distinct_n(["哈", "哈", "呵"], 1) == pytest.approx(2 / 3)


@pytest.mark.parametrize("texts", [[], [""], ["祝", "你"]])
def test_without_bigrams_there_is_no_variety(texts: list[str]) -> None:
    assert distinct_n(texts, 2) == 0.0


def test_bigrams_do_not_reach_over_the_end_of_a_text() -> None:
    assert known_share(["祝你", "好"], ["祝你"], 2) == 1.0


def test_the_known_share_is_that_of_the_texts_and_not_of_the_reference() -> None:
    assert known_share(["祝你好"], ["祝你生日快乐"], 2) == 0.5
    assert known_share(["生日快乐"], ["祝你生日快乐"], 2) == 1.0
    assert known_share(["乐快日生"], ["祝你生日快乐"], 2) == 0.0
    assert known_share([], ["祝你生日快乐"], 2) == 0.0


@given(TEXTS, TEXTS, st.integers(1, 3))
def test_shares_lie_between_0_and_1(texts: list[str], reference: list[str], n: int) -> None:
    assert 0.0 <= distinct_n(texts, n) <= 1.0
    assert 0.0 <= known_share(texts, reference, n) <= 1.0


@given(TEXTS, st.integers(1, 3))
def test_texts_are_known_to_themselves(texts: list[str], n: int) -> None:
    assert known_share(texts, texts, n) == (1.0 if any(len(text) >= n for text in texts) else 0.0)


@given(TEXTS, st.integers(1, 3))
def test_saying_all_again_halves_the_variety(texts: list[str], n: int) -> None:
    assert distinct_n([*texts, *texts], n) == pytest.approx(distinct_n(texts, n) / 2)
