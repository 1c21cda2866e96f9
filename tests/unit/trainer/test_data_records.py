from __future__ import annotations

import pytest

from trainer.data.records import Flaw, Loaded, PreferencePair, Skipped, StarterPair


def test_there_are_fourteen_flaws_each_with_a_description_of_its_own() -> None:
    assert len(Flaw) == 14
    assert len({flaw.description for flaw in Flaw}) == 14
    assert all(flaw.description and "\n" not in flaw.description for flaw in Flaw)


def test_a_starter_row_is_a_pair_with_annotations() -> None:
    row = StarterPair("s9", "冬至", "邻居", "冬至问候邻居", "好", "坏", Flaw.FLAT, "平淡", needs_prompt=False)
    assert row.pair == PreferencePair("冬至问候邻居", "好", "坏")


@pytest.mark.parametrize(
    ("skipped", "summary"),
    [
        ([], "2 rows"),
        ([Skipped(3, "无")], "2 of 3 rows; 1 left out, 无 (row 3)"),
        (
            [Skipped(row, "无") for row in range(3, 10)] + [Skipped(10, "空")],
            "2 of 10 rows; 7 left out, 无 (rows 3, 4, 5, 6, 7 and 2 more); 1 left out, 空 (row 10)",
        ),
    ],
)
def test_a_summary_accounts_for_every_row(skipped: list[Skipped], summary: str) -> None:
    assert Loaded(["一", "二"], skipped).summary() == summary
