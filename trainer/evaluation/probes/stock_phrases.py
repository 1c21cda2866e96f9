"""Stock phrases strung together, as long as the greeting whose place they take."""

from __future__ import annotations

import random
import re
from typing import Final

from trainer.data.labelled import Labelled
from trainer.evaluation.probes.sentences import clauses_of

_PHRASES: Final = """
万事如意 心想事成 身体健康 吉祥如意 恭喜发财 财源广进 大吉大利 笑口常开 步步高升 一帆风顺 事事顺心 阖家欢乐
幸福安康 年年有余 岁岁平安 福星高照 五福临门 喜气洋洋 好运连连 龙马精神 鹏程万里 前程似锦 马到成功 功成名就
飞黄腾达 大展宏图 蒸蒸日上 红红火火 招财进宝 日进斗金 金玉满堂 花好月圆 百年好合 永结同心 早生贵子 白头偕老
福如东海 寿比南山 松鹤延年 长命百岁 学业有成 金榜题名 工作顺利 平平安安 和和美美 开开心心 顺顺利利 四季平安
六六大顺 十全十美 万象更新 国泰民安 风调雨顺 人寿年丰 生意兴隆 八方来财 鸿运当头 紫气东来 三阳开泰 时来运转
吉星高照 称心如意 青春永驻 天天快乐
"""
PHRASES: Final = tuple(_PHRASES.split())
"""Of all occasions together; each has four characters."""

OPENINGS: Final = ("", "祝", "祝您", "祝愿您", "衷心祝您")
"""By their length: what is left when a length is divided by that of a phrase with its mark."""
PHRASE_WITH_MARK = 5
FEWEST_PHRASES = 3
ASKED_FOR: Final = re.compile(
    "字|成语|词语|吉祥|吉利|吉言|贺语|祝愿短|佳句|顺口溜|对联|押韵|藏头|诗|七言|五言|一到十|1到10|开头|下一句|百年好合|财神"
)
"""Requests for which phrases are the right answer, or may be."""
MOST_PHRASES = 0.4
"""Of a greeting's clauses may have four characters or be two such; else it is made of phrases itself."""


def stock_phrases(row: Labelled, source: random.Random) -> str | None:
    """Phrases in a row, exactly as long as the greeting."""
    count, rest = divmod(len(row.completion), PHRASE_WITH_MARK)
    if (
        not FEWEST_PHRASES <= count <= len(PHRASES)
        or ASKED_FOR.search(row.prompt)
        or _is_made_of_phrases(row.completion)
    ):
        return None
    return OPENINGS[rest] + "，".join(source.sample(PHRASES, count)) + "！"


def _is_made_of_phrases(text: str) -> bool:
    clauses = clauses_of(text)
    return sum(len(clause) in {4, 8} for clause, _ in clauses) > MOST_PHRASES * len(clauses)
