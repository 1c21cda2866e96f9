"""Whom a request or a greeting is for, as far as single words tell: a lexicon of relations."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Final

from trainer.evaluation.probes.sentences import clauses_of


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One relation.

    Attributes:
        name: What replaces the words of another one.
        family: A greeting for one of a family may do for another one of it (a father-in-law is called father).
        words: What names the relation.
    """

    name: str
    family: str
    words: tuple[str, ...]


RECIPIENTS: Final = (
    Recipient(name="妈妈", family="mother", words=("妈妈", "老妈", "母亲", "妈咪", "妈")),
    Recipient(name="婆婆", family="mother", words=("婆婆", "岳母", "丈母娘")),
    Recipient(name="爸爸", family="father", words=("爸爸", "老爸", "父亲", "爸")),
    Recipient(name="岳父", family="father", words=("岳父", "公公", "老丈人")),
    Recipient(name="爷爷", family="grandfather", words=("爷爷", "外公", "姥爷", "祖父")),
    Recipient(name="奶奶", family="grandmother", words=("奶奶", "外婆", "姥姥", "祖母")),
    Recipient(name="老公", family="husband", words=("老公", "丈夫", "男朋友", "男友")),
    Recipient(name="老婆", family="wife", words=("老婆", "妻子", "女朋友", "女友")),
    Recipient(name="儿子", family="son", words=("儿子",)),
    Recipient(name="女儿", family="daughter", words=("女儿", "闺女")),
    Recipient(name="女婿", family="son", words=("女婿", "贤婿")),
    Recipient(name="儿媳", family="daughter", words=("儿媳妇", "儿媳")),
    Recipient(name="孙子", family="grandson", words=("孙子", "外孙", "孙儿")),
    Recipient(name="孙女", family="granddaughter", words=("孙女", "外孙女")),
    Recipient(name="哥哥", family="elder brother", words=("哥哥", "大哥", "亲哥", "老哥", "表哥", "堂哥")),
    Recipient(name="弟弟", family="younger brother", words=("弟弟", "老弟", "表弟", "堂弟")),
    Recipient(name="姐姐", family="elder sister", words=("姐姐", "老姐", "表姐", "堂姐", "大姐")),
    Recipient(name="妹妹", family="younger sister", words=("妹妹", "老妹", "表妹", "堂妹")),
    Recipient(name="嫂子", family="elder sister", words=("嫂子", "大嫂")),
    Recipient(name="姐夫", family="elder brother", words=("姐夫",)),
    Recipient(name="弟妹", family="younger sister", words=("弟妹", "弟媳")),
    Recipient(name="姨妈", family="aunt", words=("姨妈", "小姨", "姑姑", "姑妈", "舅妈", "婶婶", "阿姨")),
    Recipient(name="舅舅", family="uncle", words=("舅舅", "叔叔", "伯伯", "姑父", "姨父")),
    Recipient(name="外甥", family="nephew", words=("外甥", "侄子", "侄儿")),
    Recipient(name="侄女", family="niece", words=("侄女", "外甥女")),
    Recipient(name="老师", family="teacher", words=("老师", "恩师", "导师", "师父", "师傅", "教练")),
    Recipient(name="领导", family="boss", words=("领导", "老板", "主管", "经理", "组长")),
    Recipient(name="学生", family="pupil", words=("学生", "徒弟")),
    Recipient(name="闺蜜", family="friend", words=("闺蜜", "姐妹", "好姐妹")),
    Recipient(name="同学", family="friend", words=("同学", "室友", "舍友", "同桌")),
    Recipient(name="朋友", family="friend", words=("好朋友", "朋友", "好友", "兄弟", "哥们", "战友")),
    Recipient(name="同事", family="colleague", words=("同事", "搭档")),
    Recipient(name="邻居", family="neighbour", words=("邻居", "邻里")),
)

_NO_RECIPIENTS: Final = (
    "母亲节",
    "父亲节",
    "小朋友",
    "朋友圈",
    "老师傅",
    "领导力",
    "妈祖",
    "祖母绿",
    "学生时代",
    "同学会",
    "同学录",
    "老板娘",
)
"""Words with one of the others in it that name nobody."""
_TURNS_TO: Final = ("祝", "贺", "喜", "爱的", "敬的")
"""As in 祝妈妈, 恭贺爷爷, 恭喜妹妹, 亲爱的女儿."""


def named_recipients(text: str) -> list[Recipient]:
    """Whom a text names, in the order of the lexicon."""
    words = set(_pattern().findall(text))
    return [recipient for recipient in RECIPIENTS if words.intersection(recipient.words)]


def is_addressed(text: str, family: str) -> bool:
    """Whether a text turns to one of a family: by a word in its first clause, or behind a wish or a kind word."""
    opening, _ = next(iter(clauses_of(text)), ("", ""))
    words = _words(family)
    return any(
        found[0] in words and (found.start() < len(opening) or text[: found.start()].endswith(_TURNS_TO))
        for found in _pattern().finditer(text)
    )


def with_recipient(text: str, family: str, name: str) -> str:
    """A text in which each word for one of a family is another one."""
    words = _words(family)
    return _pattern().sub(lambda found: name if found[0] in words else found[0], text)


def _words(family: str) -> set[str]:
    return {word for recipient in RECIPIENTS if recipient.family == family for word in recipient.words}


@functools.cache
def _pattern() -> re.Pattern[str]:
    """All words, longest first: 女朋友 is no 朋友."""
    words = [*_NO_RECIPIENTS, *(word for recipient in RECIPIENTS for word in recipient.words)]
    return re.compile("|".join(sorted(words, key=lambda word: (-len(word), word))))
