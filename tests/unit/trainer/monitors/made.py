"""Steps and series made for the tests of monitors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared.schemas import Rollout
from trainer.monitors.monitor import Monitor, ScoredStep
from trainer.monitors.threshold import Threshold
from trainer.monitors.watch import Watch

GREETINGS = (
    "外婆，院里的石榴又红了，您八十岁的笑比它还甜。愿您天天有热汤、有好梦。",
    "老师，粉笔落在您肩上，路就亮在我们脚下。祝您的第一届，届届都记得您。",
    "新锁新灯新茶杯，愿你们的窗里常有说笑声，楼道里常有饭菜香。",
    "夜里的台灯没有白亮，恭喜你又做回了学生，愿前路开阔。",
)
PLAIN = Threshold(warn=0.3, stop=0.8, steps=3)


def scored(
    completions: Sequence[str],
    rewards: Sequence[float | None] | None = None,
    flags: Sequence[Sequence[str]] | None = None,
    *,
    group_size: int = 4,
) -> ScoredStep:
    """A step; neighbours form groups."""
    rollouts = [
        Rollout(id=str(row), prompt="贺新居", completion=text, group=f"g{row // group_size}")
        for row, text in enumerate(completions)
    ]
    return ScoredStep(
        rollouts=rollouts,
        rewards=[0.0] * len(rollouts) if rewards is None else rewards,
        flags=[[]] * len(rollouts) if flags is None else flags,
    )


def measured(monitor: Monitor, step: ScoredStep) -> float:
    """What a monitor that measures texts makes of a step."""
    value = monitor.measure(step)
    assert value is not None
    return value


def levels(watch: Watch, values: Iterable[float], figure: str) -> list[int]:
    """Where a watch stands after each of some values of a figure."""
    told = []
    for value in values:
        watch.observe({figure: value})
        told.append(int(watch.level))
    return told
