"""Self-BLEU: against the value that NLTK documents, and by hand."""

from __future__ import annotations

import math

import pytest

from trainer.evaluation.policies.self_bleu import self_bleu

# The sentences of NLTK's documentation of `sentence_bleu`, three references and a hypothesis.
REFERENCES = [
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the command of the Party",
    "It is the practical guide for the army always to heed the directions of the party",
]
HYPOTHESIS = "It is a guide to action which ensures that the military always obeys the commands of the party"


def words(*sentences: str) -> list[list[str]]:
    return [sentence.split() for sentence in sentences]


def test_the_bleu_of_a_text_is_the_one_that_nltk_documents() -> None:
    assert self_bleu(words(*REFERENCES, HYPOTHESIS))[3] == pytest.approx(0.5045666840058485)


def test_texts_that_are_all_the_same_have_one() -> None:
    assert self_bleu(["愿你平安喜乐"] * 3) == pytest.approx([1.0, 1.0, 1.0])
    assert self_bleu(["新年好", "新年好"]) == pytest.approx([1.0, 1.0]), "also where there are no four in a row"


def test_texts_that_share_nothing_have_zero() -> None:
    assert self_bleu(["春风得意马蹄疾", "岁岁年年人不同"]) == [0.0, 0.0]


def test_by_hand() -> None:
    # 甲乙丙丁戊 against 甲乙丙庚辛: 3 of 5 characters, 2 of 4 pairs, 1 of 3 triples match, and no four in a row of 2.
    by_hand = (3 / 5 * 2 / 4 * 1 / 3 * 0.1 / 2) ** (1 / 4)
    assert self_bleu(["甲乙丙丁戊", "甲乙丙庚辛"]) == pytest.approx([by_hand, by_hand])


def test_a_shorter_text_is_penalised_and_a_longer_one_is_not() -> None:
    short, long = self_bleu(["甲乙丙丁", "甲乙丙丁戊己庚辛"])
    assert short == pytest.approx(math.exp(1 - 8 / 4))
    assert long == pytest.approx((4 / 8 * 3 / 7 * 2 / 6 * 1 / 5) ** (1 / 4))


def test_of_two_lengths_equally_close_the_shorter_is_the_reference() -> None:
    first, *_ = self_bleu(["甲乙丙丁戊己", "甲乙丙丁戊", "甲乙丙丁戊己庚"])
    assert first == pytest.approx(1.0), "all its grams stand in the longer one, and no penalty comes from the shorter"


def test_a_gram_counts_as_often_as_another_text_has_it() -> None:
    first, *_ = self_bleu(["福福福福", "福气", "福福到"])
    matches = (2 / 4, 1 / 3, 0.1 / 2, 0.1 / 1)
    assert first == pytest.approx(math.prod(matches) ** (1 / 4))


@pytest.mark.parametrize("texts", [[], ["一"], ["一", ""]])
def test_what_cannot_be_compared_is_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="text"):
        self_bleu(texts)
