"""What single words tell of occasions and recipients."""

from __future__ import annotations

import pytest

from trainer.data.starter import load_starter
from trainer.evaluation.probes.occasions import (
    OCCASIONS,
    belongs_only_to,
    clearly_different,
    families_of,
    named_occasions,
)
from trainer.evaluation.probes.recipients import RECIPIENTS, is_addressed, named_recipients, with_recipient


@pytest.mark.parametrize(
    ("text", "families"),
    [
        ("祝外婆八十岁生日快乐", {"birthday"}),
        ("岁月静好，愿你安康", set()),
        ("岁岁平安", set()),
        ("十八岁成人礼寄语", {"birthday"}),
        ("贺新婚，早生贵子", {"marriage", "baby"}),
        ("除夕给客户拜年", {"new year"}),
        ("祝你天天开心", set()),
    ],
)
def test_occasions_are_told_by_words(text: str, families: set[str]) -> None:
    assert families_of(text) == families


def test_occasions_are_clearly_different_where_both_are_known_and_no_family_is_shared() -> None:
    assert clearly_different("贺乔迁", "祝师父生日")
    assert not clearly_different("订婚", "婚礼")
    assert not clearly_different("贺乔迁", "祝你天天开心")
    assert belongs_only_to("新居落成，乔迁大喜", "贺乔迁", "祝师父生日")
    assert not belongs_only_to("愿你天天开心", "贺乔迁", "祝师父生日"), "it would do for both"
    assert not belongs_only_to("乔迁又逢生日，双喜临门", "贺乔迁", "祝师父生日")


def test_every_noun_names_its_own_occasion_and_so_does_every_name() -> None:
    for occasion in OCCASIONS:
        for word in (*occasion.nouns, *filter(None, [occasion.name])):
            assert occasion.family in families_of(word), word
        assert not occasion.nouns or occasion.name


def test_most_requests_of_the_starter_set_are_told_and_hardly_any_for_a_wrong_occasion() -> None:
    pairs = load_starter("train")
    told = [pair for pair in pairs if families_of(pair.prompt)]
    assert len(told) > 0.85 * len(pairs)
    known = [pair for pair in told if families_of(pair.occasion)]
    wrong = [pair for pair in known if not families_of(pair.occasion) & families_of(pair.prompt)]
    assert len(wrong) < 0.02 * len(known), [(pair.occasion, pair.prompt) for pair in wrong]


def test_occasions_are_named_in_the_order_of_the_lexicon() -> None:
    assert [occasion.name for occasion in named_occasions("满月酒和婚礼赶在一天")] == ["满月", "婚礼"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("祝妈妈生日快乐", ["妈妈"]),
        ("母亲节快乐", []),
        ("小朋友生日快乐", []),
        ("给女朋友的晚安", ["老婆"]),
        ("爸爸给女儿的祝福", ["爸爸", "女儿"]),
        ("给外孙女的红包", ["孙女"]),
        ("老板娘开业大吉", []),
    ],
)
def test_recipients_are_told_by_words(text: str, names: list[str]) -> None:
    assert [recipient.name for recipient in named_recipients(text)] == names


def test_every_word_for_a_recipient_names_one_alone() -> None:
    for recipient in RECIPIENTS:
        assert recipient.name in {word for each in RECIPIENTS for word in each.words}
        for word in recipient.words:
            assert named_recipients(word) == [recipient], word


def test_a_text_turns_to_somebody_in_its_first_words_or_behind_a_wish() -> None:
    assert is_addressed("妈，今天您歇着。", "mother")
    assert is_addressed("岁月如歌，祝妈妈安康。", "mother")
    assert is_addressed("又是一年，亲爱的妈妈，谢谢您。", "mother")
    assert not is_addressed("又是一年，我学会了妈妈做的汤。", "mother")
    assert not is_addressed("妈，今天您歇着。", "father")
    assert not is_addressed("", "mother")


def test_all_words_of_a_family_are_replaced_and_others_stay() -> None:
    assert with_recipient("妈，母亲节快乐！亲爱的妈妈，爸爸也爱您。", "mother", "舅舅") == (
        "舅舅，母亲节快乐！亲爱的舅舅，爸爸也爱您。"
    )
