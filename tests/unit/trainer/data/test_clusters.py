"""Rows that share something are together, over any number of steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainer.data.clusters import Clusters, PromptRule, clustered
from trainer.data.entries import Completion, Entry


def entry(prompt: str, *texts: str) -> Entry:
    return Entry(source="rows", row=1, prompt=prompt, completions=tuple(Completion(text, None) for text in texts))


def sets(entries: list[Entry], *, near: float | None = 0.7, prompts: PromptRule = "exact") -> list[list[int]]:
    return list(clustered(entries, near=near, prompts=prompts).members().values())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
def test_sets_are_those_of_a_walk_over_all_joins(joins: list[tuple[int, int]]) -> None:
    clusters = Clusters(10)
    for pair in joins:
        clusters.join(pair)
    for start in range(10):
        reached = {start}
        for _ in range(10):
            reached |= {other for pair in joins for other in pair if reached & set(pair)}
        assert {member for member in range(10) if clusters.of(member) == clusters.of(start)} == reached
        assert clusters.of(start) == min(reached)


def test_rows_of_one_prompt_or_one_text_are_together_also_through_a_third() -> None:
    entries = [
        entry("给外婆", "石榴红了"),
        entry("给 外婆", "愿您安康"),
        entry("给爷爷", "愿您安康 "),
        entry("给弟弟", "月亮替我去看你了"),
    ]
    assert sets(entries) == [[0, 1, 2], [3]]
    assert sets(entries, prompts="ignore") == [[0], [1, 2], [3]]


def test_near_texts_count_and_near_prompts_only_where_asked_for() -> None:
    text = "新锁新灯新茶杯，愿你们的窗里常有说笑声，楼道里常有饭菜香"
    entries = [
        entry("祝刚刚搬进新家的老邻居", text),
        entry("给弟弟", text.replace("茶杯", "饭碗")),
        entry("祝刚刚搬进新家的老同学", "门开着，汤热着"),
        entry("祝刚刚搬进新家的老邻居家", "钥匙在手"),
    ]
    assert sets(entries) == [[0, 1], [2], [3]]
    assert sets(entries, prompts="near") == [[0, 1, 3], [2]]
    assert sets(entries, near=None, prompts="near") == [[0], [1], [2], [3]]
