"""How a step's rollouts are divided among the requests to a shadow."""

from __future__ import annotations

import itertools

import pytest

from shared.schemas import Rollout
from trainer.shadow import PARTS, parts_of


def rollouts(groups: int, members: int) -> list[Rollout]:
    return [
        Rollout(id=f"{group}-{member}", prompt="贺新居", completion="恭喜", group=f"g{group}")
        for group in range(groups)
        for member in range(members)
    ]


@pytest.mark.parametrize("groups", [1, 3, PARTS, PARTS + 1, 64, 65])
def test_parts_keep_order_and_groups_and_are_about_equally_large(groups: int) -> None:
    asked = rollouts(groups, 3)
    parts = parts_of(asked)
    assert list(itertools.chain(*parts)) == asked
    assert len(parts) == min(PARTS, groups)
    named = [{rollout.group for rollout in part} for part in parts]
    assert sum(map(len, named)) == groups, "a group is divided"
    assert max(map(len, named)) - min(map(len, named)) <= 1


def test_rollouts_without_a_group_are_one_part() -> None:
    asked = [Rollout(id=str(row), prompt="贺新居", completion="恭喜") for row in range(5)]
    assert parts_of(asked) == [asked]


def test_no_rollouts_are_one_empty_part() -> None:
    assert parts_of([]) == [[]]
