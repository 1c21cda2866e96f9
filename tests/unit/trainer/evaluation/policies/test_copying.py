"""What counts as copied: whole texts, long stretches, many short runs; against a slow search that is plainly right."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies

from trainer.evaluation.policies.copying import GRAM, Copied, KnownTexts

KNOWN = [
    "院里的石榴又红了，您八十岁的笑比它还甜。",
    "夜里的台灯没有白亮，恭喜你又做回了学生。",
]
letters = strategies.text(alphabet="甲乙丙", max_size=40)


def slow(text: str, known: list[str]) -> Copied:
    """The same by trying every stretch."""
    stretches = [text[start:end] for start in range(len(text)) for end in range(start + GRAM, len(text) + 1)]
    longest = max((len(part) for part in stretches if any(part in other for other in known)), default=0)
    grams = [part for part in stretches if len(part) == GRAM]
    found = [gram for gram in grams if any(gram in other for other in known)]
    return Copied(
        whole=text != "" and text in known,
        stretch=longest / len(text) if text else 0.0,
        grams=len(found) / len(grams) if grams else 0.0,
    )


@hypothesis.given(letters, strategies.lists(letters, max_size=5))
def test_it_finds_what_a_slow_search_finds(text: str, known: list[str]) -> None:
    assert KnownTexts(known).look_up(text) == slow(text, known)


def test_a_text_that_is_known_is_copied_whatever_its_spaces_and_width() -> None:
    found = KnownTexts(KNOWN).look_up("院里的石榴又红了, 您八十岁的笑 比它还甜。\n")
    assert found == Copied(whole=True, stretch=1.0, grams=1.0)


def test_a_stretch_from_one_text_is_found_within_new_words() -> None:
    text = "妈妈，院里的石榴又红了，我周末回家"
    found = KnownTexts(KNOWN).look_up(text)
    assert not found.whole
    assert found.stretch == pytest.approx(len("，院里的石榴又红了，"[1:]) / len(text))
    assert found.at_least(0.5)
    assert not found.at_least(0.6)


def test_pieces_of_several_texts_are_no_stretch_but_many_runs() -> None:
    found = KnownTexts(KNOWN).look_up("院里的石榴又红了夜里的台灯没有白亮")
    assert found.stretch == pytest.approx(9 / 17)
    assert found.grams == pytest.approx((1 + 2) / 10)


def test_nothing_is_found_across_the_end_of_one_text_and_the_beginning_of_another() -> None:
    assert KnownTexts(["甲乙丙丁", "戊己庚辛"]).look_up("甲乙丙丁戊己庚辛") == Copied(
        whole=False, stretch=0.0, grams=0.0
    )


def test_short_texts_are_copied_only_as_a_whole() -> None:
    known = KnownTexts(["新年快乐", ""])
    assert len(known) == 1
    assert known.look_up("新年快乐") == Copied(whole=True, stretch=0.0, grams=0.0)
    assert known.look_up("新年快") == Copied(whole=False, stretch=0.0, grams=0.0)
    assert known.look_up("") == Copied(whole=False, stretch=0.0, grams=0.0)
    assert KnownTexts([]).look_up("春风得意马蹄疾，一日看尽") == Copied(whole=False, stretch=0.0, grams=0.0)
