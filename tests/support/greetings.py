"""Rollouts to score, in Chinese as the project's are."""

from __future__ import annotations

from shared.schemas import Rollout

PROMPTS = (
    "给外婆的八十岁生日祝福",
    "写给第一次带毕业班的班主任的教师节贺词",
    "祝刚搬进新家的邻居",
    "给在外地过中秋的弟弟",
    "贺同事顺利考上在职研究生",
)
COMPLETIONS = (
    "外婆，院里的石榴又红了，您八十岁的笑比它还甜。愿您天天有热汤、有好梦。",
    "老师，粉笔落在您肩上，路就亮在我们脚下。祝您的第一届，届届都记得您。",
    "新锁新灯新茶杯，愿你们的窗里常有说笑声，楼道里常有饭菜香。",
    "月亮替我去看你了，记得给它留一块莲蓉的。",
    "夜里的台灯没有白亮，恭喜你又做回了学生，愿前路开阔。",
)


def rollout(number: int, marker: str = "", *, repeat: int = 1) -> Rollout:
    """The rollout with a number; a marker at the end of its completion tells `tests.support.scorers` what to do."""
    return Rollout(
        id=f"贺{number}",
        prompt=PROMPTS[number % len(PROMPTS)],
        completion=COMPLETIONS[number % len(COMPLETIONS)] * repeat + marker,
        group=f"组{number // 5}",
    )


def rollouts(count: int, *, first: int = 0) -> list[Rollout]:
    """Many rollouts without markers."""
    return [rollout(number) for number in range(first, first + count)]
