"""What is counted, on rows where the counts are known."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.unit.trainer.data.audit.made import example, labelled, pair, prompt, source
from trainer.data.audit.labels import labels_of
from trainer.data.audit.leaks import TextLeak, leaks_into
from trainer.data.audit.length_shortcut import length_shortcut, rule_on
from trainer.data.audit.odd_texts import Oddity, odd_texts
from trainer.data.audit.repeats import repeats_of
from trainer.data.audit.style_shortcut import fitted_in_folds, fitted_without
from trainer.data.entries import Entry

LAMP = "夜里的台灯没有白亮，恭喜你又做回了学生，愿前路开阔"
LAMP_NEARLY = "夜里的油灯没有白亮，恭喜你又做回了学生，愿前路开阔"
MOON = "月亮替我去看你了，记得给它留一块莲蓉的"
SOUP = "院里的石榴又红了，愿您天天有热汤"
CHARACTERS = "春夏秋冬山川河海风花雪月云雨晨暮灯火星光松竹梅兰茶酒诗书"


def random_text(source_of: random.Random, length: int) -> str:
    return "".join(source_of.choices(CHARACTERS, k=length))


def test_repeated_and_nearly_repeated_things_are_counted_across_rows_only() -> None:
    entries = source(
        "pairs",
        [
            pair("给弟弟", MOON, "中秋好"),
            pair("给 弟弟", MOON, "中秋好"),
            pair("给同事", LAMP, LAMP_NEARLY),
            pair("给同学", SOUP, LAMP_NEARLY),
            pair("给弟弟", "月饼归你", "吃饼"),
        ],
    ).entries
    rows, prompts, texts = repeats_of(entries, near=0.7)
    assert (rows.total, rows.repeated, rows.share) == (5, 1, 0.2)
    assert (prompts.total, prompts.repeated, prompts.distinct, prompts.largest_group) == (5, 2, 3, 3)
    assert (texts.total, texts.repeated, texts.distinct) == (10, 3, 7)
    assert (texts.near, texts.near_pairs, texts.largest_group) == (2, 1, 2)
    (near,) = texts.examples
    assert (near.first_row, near.second_row) == (3, 3)


def test_two_texts_of_one_row_may_be_alike() -> None:
    _, _, texts = repeats_of([pair("给同事", LAMP, LAMP_NEARLY), pair("给弟弟", MOON, SOUP)], near=0.7)
    assert (texts.near, texts.near_pairs, texts.largest_group) == (0, 0, 1)


def test_of_prompts_alone_only_prompts_are_counted() -> None:
    assert [each.what for each in repeats_of([prompt("给弟弟"), prompt("给妹妹")], near=0.7)] == ["rows", "prompts"]


def test_labels_are_counted_and_contradictions_told_apart() -> None:
    found = labels_of(
        source(
            "labelled",
            [
                labelled("给弟弟", MOON, good=True),
                labelled("给弟弟", MOON, good=False),
                labelled("给同事", LAMP, good=True),
                labelled("给外婆", LAMP, good=False),
                labelled("给外婆", LAMP, good=False),
                labelled("给外婆", SOUP, good=True),
            ],
        ).entries
    )
    assert found is not None
    assert (found.good, found.bad, found.minority) == (3, 3, 0.5)
    assert [(each.text, each.good_rows, each.bad_rows) for each in found.one_prompt] == [
        (MOON.replace("，", ","), [1], [2])
    ]
    assert [(each.good_rows, each.bad_rows) for each in found.across_prompts] == [([3], [4, 5])]


def test_a_pair_of_equal_texts_prefers_nothing_and_is_no_contradiction() -> None:
    found = labels_of(source("pairs", [pair("给弟弟", MOON, MOON), pair("给外婆", SOUP, "祝好")]).entries)
    assert found is not None
    assert (found.same_text_rows, found.one_prompt, found.across_prompts) == ([1], [], [])


def test_without_labels_there_is_nothing_to_say_of_them() -> None:
    assert labels_of([example("给弟弟", MOON), prompt("给妹妹")]) is None


def test_leaks_are_counted_by_what_either_side_calls_a_text() -> None:
    data = source(
        "pairs",
        [
            pair("给弟弟", MOON, "中秋好"),
            pair("给同事", LAMP, "加油呀"),
            pair("给外婆", SOUP, MOON),
            pair("甲", "乙", "丙"),
        ],
    )
    evaluation = source(
        "labelled",
        [
            labelled("给弟弟", MOON, good=True),
            labelled("给表弟", f"{MOON} ", good=True),
            labelled("给领导", "中秋好", good=True),
            labelled("给同事", LAMP_NEARLY, good=False),
            labelled("给邻居", "新锁新灯新茶杯", good=False),
        ],
        name="evaluation",
    )
    leaks = leaks_into(data, evaluation, near=0.7)
    assert list(leaks.by_label) == [
        TextLeak(evaluated="bad", known_as="good", exact=0, near=1),
        TextLeak(evaluated="good", known_as="bad", exact=1, near=0),
        TextLeak(evaluated="good", known_as="good and bad", exact=2, near=0),
    ]
    assert (leaks.rows, dict(leaks.texts)) == (5, {"good": 3, "bad": 2})
    assert (leaks.texts_exact, leaks.texts_near, leaks.prompts_exact, leaks.prompts_near) == (3, 1, 2, 0)
    assert leaks.tainted_rows == 3
    assert [(each.first_row, each.second_row) for each in leaks.examples] == [(4, 2)]


def test_what_has_no_texts_leaks_by_its_prompts() -> None:
    leaks = leaks_into(source("prompts", [prompt("给弟弟")]), source("examples", [example("给弟弟", MOON)]), near=0.7)
    assert (leaks.prompts_exact, leaks.texts_exact, dict(leaks.texts)) == (1, 0, {"example": 1})


def test_the_length_rule_is_measured_here_cross_fitted_and_elsewhere() -> None:
    entries = [labelled(f"给{number}", "字" * (20 + number), good=number >= 30) for number in range(60)]
    folds = np.arange(60) % 5
    found = length_shortcut("labelled", entries, folds)
    assert found is not None
    assert str(found.rule) == "at least 50 characters"
    assert (found.accuracy, found.longer_wins) == (1.0, None)
    assert found.auc is not None
    assert found.auc.mean == 1
    assert found.fitted_accuracy is not None
    assert 0.95 <= found.fitted_accuracy < 1
    assert found.rule is not None
    assert rule_on(found.rule, [labelled("甲", "字" * 50, good=True), labelled("乙", "字" * 50, good=False)]) == 0.5
    assert rule_on(found.rule, [example("甲", "乙")]) is None


def test_cross_fitted_a_chance_rule_is_not_better_than_chance() -> None:
    chance = random.Random(5)
    entries = [labelled(f"给{number}", "字" * chance.randint(5, 60), good=number % 2 == 0) for number in range(400)]
    found = length_shortcut("labelled", entries, np.arange(400) // 2 % 5)
    assert found is not None
    assert found.accuracy is not None
    assert found.accuracy > 0.53
    assert found.fitted_accuracy is not None
    assert found.fitted_accuracy < 0.53


def test_the_longer_one_wins_is_counted_with_ties_apart_and_among_pairs_of_about_the_same_length() -> None:
    lengths = [(40, 20), (60, 30), (20, 22), (22, 20), (30, 30), (50, 20)]
    found = length_shortcut("pairs", [pair("给", "字" * good, "词" * bad) for good, bad in lengths], None)
    assert found is not None
    assert found.longer_wins is not None
    assert found.longer_wins_alike is not None
    whole, alike = found.longer_wins, found.longer_wins_alike
    assert (whole.pairs, whole.longer, whole.equal) == (6, 4, 1)
    assert whole.share.mean == pytest.approx(4 / 6)
    assert whole.share_ties_half.mean == pytest.approx(4.5 / 6)
    assert (alike.pairs, alike.longer, alike.equal) == (3, 1, 1)
    assert found.fitted_accuracy is None


def test_lengths_without_labels_are_described_alone() -> None:
    found = length_shortcut("examples", [example("给", "字" * number) for number in range(1, 102)], None)
    assert found is not None
    assert list(found.summaries) == ["all"]
    summary = found.summaries["all"]
    assert (summary.texts, summary.mean, summary.median, summary.shortest, summary.longest) == (101, 51, 51, 1, 101)
    assert (summary.low, summary.high) == (6, 96)
    assert found.auc is None
    assert length_shortcut("prompts", [prompt("给")], None) is None


def by_style(count: int, seed: int) -> list[Entry]:
    """The chosen text has one character that the rejected one never has; lengths say nothing."""
    chance = random.Random(seed)
    return [pair(random_text(chance, 8), "呀" + random_text(chance, 29), random_text(chance, 30)) for _ in range(count)]


def test_a_style_that_gives_labels_away_is_found_and_none_is_not() -> None:
    given_away = fitted_in_folds("pairs", by_style(60, 1), np.arange(60) % 5)
    assert given_away.auc is not None
    assert given_away.auc.mean > 0.95
    assert given_away.stratified_auc is not None
    assert given_away.pairs is not None
    assert given_away.pairs.mean == 1
    chance = random.Random(2)
    entries = [pair(random_text(chance, 8), random_text(chance, 30), random_text(chance, 30)) for _ in range(100)]
    nothing = fitted_in_folds("pairs", entries, np.arange(100) % 5)
    assert nothing.auc is not None
    assert nothing.auc.low < 0.5 < nothing.auc.high


def test_style_learnt_here_is_asked_elsewhere_without_what_leaks() -> None:
    data, evaluation = source("pairs", by_style(60, 1)), source("pairs", by_style(20, 3), name="evaluation")
    found = fitted_without(data, evaluation, near=0.7)
    assert found is not None
    assert (found.fitted_on, found.texts) == (120, 40)
    assert found.pairs is not None
    assert found.pairs.mean > 0.9
    leaking = source("pairs", [*data.entries, *evaluation.entries])
    without = fitted_without(leaking, evaluation, near=0.7)
    assert without is not None
    assert (without.fitted_on, without.auc) == (120, found.auc)
    assert fitted_without(evaluation, evaluation, near=0.7) is None


@pytest.mark.parametrize(
    ("text", "oddity"),
    [
        ("祝您\ufffd安康", Oddity.BROKEN),
        ("祝您\x07安康", Oddity.BROKEN),
        ("祝您\ue000安康", Oddity.BROKEN),
        ("祝您\u200b安康", Oddity.INVISIBLE),
        ("祝您\u202e安康", Oddity.INVISIBLE),
        ("祝您\u200d安康", Oddity.INVISIBLE),
        ("祝您<br>安康", Oddity.MARKUP),
        ("祝您&nbsp;安康", Oddity.MARKUP),
        ("祝您安康<|im_end|>", Oddity.MARKUP),
        ("祝您" + "安" * 99, Oddity.LONG),
        ("安康", Oddity.SHORT),
        ("🎂🎂🎂🎂", Oddity.WORDLESS),
        ("祝您安康 ", Oddity.EDGES),
    ],
)
def test_an_odd_text_is_named_for_what_is_odd(text: str, oddity: Oddity) -> None:
    found = odd_texts(source("examples", [example("给外婆", MOON), example("给外婆", text)]).entries, longest=100)
    assert {kind: list(rows) for kind, rows in found.rows.items()} == {oddity: [2]}
    assert found.count(oddity) == 1


@pytest.mark.parametrize("text", ["祝您安康👨‍👩‍👧", "祝您安康❤️‍🔥", "第一行\n第二行", "a < b，愿你 > 从前"])
def test_an_unusual_text_is_not_odd(text: str) -> None:
    assert not odd_texts([example("给外婆", text)], longest=100).rows


def test_a_prompt_may_be_short_but_not_broken() -> None:
    assert not odd_texts([example("给", MOON)], longest=100).rows
    assert Oddity.BROKEN in odd_texts([example("给\ufffd", MOON)], longest=100).rows
