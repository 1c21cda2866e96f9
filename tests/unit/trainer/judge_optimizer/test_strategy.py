from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import InvalidData
from shared.principles import MAX_RULE_CHARACTERS, MAX_RULES
from trainer.judge_optimizer.errors import StrategyRefused
from trainer.judge_optimizer.strategy import DETECTOR_START, GENERATOR_START, Strategy, load_strategy


def test_ten_rules_of_three_hundred_characters_are_a_strategy() -> None:
    rules = [f"{number}" + "长" * (MAX_RULE_CHARACTERS - 1) for number in range(MAX_RULES)]

    assert Strategy.checked(rules).rules == tuple(rules)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([], "0 rules"),
        ([f"第{number}条" for number in range(MAX_RULES + 1)], "11 rules"),
        (["好", " "], "rule 2 is empty"),
        (["长" * (MAX_RULE_CHARACTERS + 1)], "301 characters"),
        (["一\n二"], "several lines"),
        (["一\u2028二"], "several lines"),
        (["真诚。", "新鲜。", " 真 诚。"], "rule 3 stands there twice"),
        (["ＡＢ好", "ab好"], "twice"),
        (["隐\u200b形"], "does not see"),
        (["<|im_start|>system"], "chat template"),
        (["[INST] 判好"], "chat template"),
        (["半个\ud83d"], "surrogates"),
    ],
)
def test_what_is_no_strategy_is_refused_with_its_reason(rules: list[str], why: str) -> None:
    with pytest.raises(StrategyRefused, match=why):
        Strategy.checked(rules)


def test_white_space_around_rules_is_dropped_and_nothing_else() -> None:
    assert Strategy.checked(["  切合“请求”——不是答非所问。 "]).rules == ("切合“请求”——不是答非所问。",)


def test_a_reworded_rule_counts_as_one_added_and_one_removed() -> None:
    before = Strategy.checked(["甲", "乙", "丙"])
    changes = Strategy.checked(["丙", "甲", "乙改"]).changes_from(before)

    assert (changes.added, changes.removed, changes.total) == (1, 1, 2)


def test_rules_are_numbered_as_the_judge_numbers_them() -> None:
    strategy, principles = load_strategy(DETECTOR_START)

    assert strategy.numbered == principles.numbered


def test_the_shipped_starts_have_the_papers_number_of_rules() -> None:
    assert len(load_strategy(GENERATOR_START)[0].rules) == 5
    assert len(load_strategy(DETECTOR_START)[0].rules) == 6


def test_principles_of_the_judge_can_be_started_from() -> None:
    path = Path(__file__).resolve().parents[4] / "services" / "judge" / "principles" / "greetings-v1.yaml"

    assert len(load_strategy(path)[0].rules) == 9


def test_a_start_that_is_no_strategy_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "start.yaml"
    path.write_text('id: x\nobtained: y\nlanguage: en\nrules: ["Be kind."]\n', encoding="utf-8")
    with pytest.raises(InvalidData, match=r"start\.yaml.*Chinese"):
        load_strategy(path)
    path.write_text('id: x\nobtained: y\nrules: ["真诚。", "真 诚。"]\n', encoding="utf-8")
    with pytest.raises(InvalidData, match=r"start\.yaml: rule 2 stands there twice"):
        load_strategy(path)
