"""Typos: characters that sound or look like the right ones."""

from __future__ import annotations

import random
from typing import Final

from trainer.data.labelled import Labelled
from trainer.evaluation.probes.sentences import is_han

_CONFUSED: Final = """
在再 住注 原院 服扶 声升 月曰 块筷 勒了 年念 碎穗 平苹 安按 建键 康慷 心芯 是世 成城 万方
如茹 意义 辛新 每妹 天夭 甜田 号浩 笑校 响向 梦蒙 末未 来莱 前浅 程呈 路露 广光 阳洋 春椿
风封 花化 星醒 辰晨 海晦 碍爱 情清 有友 用甩 朋鹏 吧爸 吗妈 找我 像象 般搬 泳永 陪赔 伴拌
申身 体休 公工 雪学 叶业 瞬顺 力历 汽气 洗喜 今令 膀榜 提题 鸣明 昏婚 百白 合和 桐同 杰节
敢感 写谢 狮师 钟中 秋丘 困团 园圆 国围 长张 受寿 难南 冬东 太大 人入 首手 实时 间问 理里
千干 幸辜 福副 祝况 岁岂 多夕 自白 目日 己已 土士 贝见 刀力 拔拨 侯候 传转 特持 栽载 历厉
练炼 辉挥 烂栏 闪门 耀跃 暖缓 温湿 柔揉 港巷 湾弯 勇涌 追迫 逐遂 翅翘 航肮 帆凡 浪狼 彩踩
虹红 糖塘 果课 精睛 神伸 活话 常尝 伟纬 愿愁 望忘 期斯 待侍 刻克 收牧 获荻 丰半 盛胜 开升
绽定 放故 金全 银很 福幅 绵棉 延廷 松忪 鹤鸟 茁拙 壮状 宝玉 贵责 恭供 贺加 欣掀 闻间 终络
老考 师帅 教较 育盲 桃逃 李季 满蒲 芬芳 感惑 恩思 切功 喝渴 茶荼 饭板 菜采 吃乞 早旱 晚挽
睡垂 醒腥 累垒 忙芒 走赴 跑泡 站沾 坐座 听斤 说脱 看着 给绐 做故 买卖 车东 灯订 门们 窗囱
楼搂 街衔
"""
"""Characters that are taken for each other, in twos; by hand."""

CHARACTERS_A_TYPO = 12
"""One typo for so many characters,"""
FEWEST = 2
"""but no fewer than so many."""


def with_typos(row: Labelled, source: random.Random) -> str | None:
    """A greeting with some characters taken for others."""
    text = list(row.completion)
    places = [place for place, character in enumerate(text) if character in LOOK_ALIKES]
    count = max(FEWEST, round(sum(map(is_han, text)) / CHARACTERS_A_TYPO))
    if len(places) < count:
        return None
    for place in source.sample(places, count):
        text[place] = source.choice(LOOK_ALIKES[text[place]])
    return "".join(text)


def _look_alikes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in _CONFUSED.split():
        found.setdefault(pair[0], []).append(pair[1])
        found.setdefault(pair[1], []).append(pair[0])
    return found


LOOK_ALIKES: Final = _look_alikes()
"""What each such character is taken for."""
