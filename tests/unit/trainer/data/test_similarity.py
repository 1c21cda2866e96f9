"""What the search finds is what comparing all with all finds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from trainer.data import similarity as module
from trainer.data.similarity import NearPairs, bare_text, near_across, near_within, ngrams, similarity

TEXTS = st.lists(st.text("春夏秋冬，。 🌸", max_size=12), max_size=14)
THRESHOLDS = st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.7, 0.9, 1.0])


def as_found(pairs: NearPairs) -> list[tuple[int, int, float]]:
    return list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.similarity.tolist(), strict=True))


@given(TEXTS, THRESHOLDS, st.integers(1, 4))
def test_all_alike_of_one_list_are_found_each_pair_once(texts: list[str], threshold: float, ngram: int) -> None:
    wanted = [
        (first, second, value)
        for first in range(len(texts))
        for second in range(first + 1, len(texts))
        if (value := similarity(texts[first], texts[second], ngram=ngram)) >= threshold
    ]
    assert as_found(near_within(texts, threshold=threshold, ngram=ngram)) == wanted


@given(TEXTS, TEXTS, THRESHOLDS)
def test_all_alike_of_two_lists_are_found(first: list[str], second: list[str], threshold: float) -> None:
    wanted = [
        (one, other, value)
        for one in range(len(first))
        for other in range(len(second))
        if (value := similarity(first[one], second[other])) >= threshold
    ]
    assert as_found(near_across(first, second, threshold=threshold)) == wanted


def test_the_size_of_blocks_changes_nothing_and_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"愿你{'常' * number}平安，年年有余，岁岁欢喜" for number in range(9)]
    whole = as_found(near_within(texts, threshold=0.5))
    monkeypatch.setattr(module, "BLOCK_ROWS", 2)
    monkeypatch.setattr(module, "COUNTED_AT_ONCE", 3)
    told: list[tuple[int, int]] = []
    assert as_found(near_within(texts, threshold=0.5, tick=lambda done, total: told.append((done, total)))) == whole
    assert len(whole) > 3
    assert told == [(2, 9), (4, 9), (6, 9), (8, 9), (9, 9)]


def test_punctuation_width_case_and_decoration_make_no_new_text() -> None:
    assert similarity("生日快乐，ABC！", "生日快乐 ａｂｃ。🎂") == 1
    assert bare_text("🎂！") == "🎂!"
    assert similarity("🎂", "🎉") == 0


def test_a_text_shorter_than_an_ngram_is_like_itself_only() -> None:
    assert ngrams("祝好") == {"祝好"}
    assert similarity("祝好", "祝好。") == 1
    assert similarity("祝好", "祝好呀") == 0


def test_one_word_exchanged_in_a_greeting_is_near_and_a_shared_phrase_is_not() -> None:
    greeting = "外婆，院里的石榴又红了，您八十岁的笑比它还甜，愿您天天有热汤、夜夜有好梦。"
    assert similarity(greeting, greeting.replace("石榴", "柿子")) > 0.7
    assert similarity(greeting, "师傅，谢谢您手把手教我，愿您天天有热汤。") < 0.2


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01, math.nan])
def test_a_threshold_that_makes_no_sense_is_refused(threshold: float) -> None:
    with pytest.raises(InvalidRequest, match="above 0 and at most 1"):
        near_within(["祝好"], threshold=threshold)


def test_an_ngram_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at least one character"):
        near_within(["祝好"], ngram=0)
