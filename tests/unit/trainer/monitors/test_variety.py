"""Variety: policies that repeat themselves, within a text or from one to another."""

from __future__ import annotations

import pytest

from tests.unit.trainer.monitors.made import GREETINGS, levels, measured, scored
from trainer.monitors.options import DEFAULT
from trainer.monitors.threshold import Threshold
from trainer.monitors.variety import CHARACTERS, Distinct, Duplicates
from trainer.monitors.watch import Watch


@pytest.mark.parametrize(
    ("completions", "share"),
    [
        (["甲", "乙", "丙", "丁"], 0.0),
        (["甲", "甲", "丙", "丁"], 0.25),
        (["甲", "甲", "甲", "甲"], 0.75),
        (["Ｈａｐｐｙ 新年", "happy新年", "丙", "丁"], 0.25),
        (["", "", "丙", "丁"], 0.25),
    ],
)
def test_duplicates_are_texts_that_say_what_another_one_says(completions: list[str], share: float) -> None:
    assert measured(Duplicates(), scored(completions)) == share


def test_a_policy_that_ends_in_one_text_is_stopped_by_default_and_one_odd_step_stops_nothing() -> None:
    figure = Duplicates().figure
    collapsed = levels(Watch(Duplicates(), DEFAULT["duplicates"]), [0.1] * 10 + [0.98] * 10, figure)
    assert collapsed[:12] == [0] * 12, "of ten values, one at most is left out"
    assert collapsed[-1] == 2
    assert sorted(collapsed) == collapsed
    odd = levels(Watch(Duplicates(), DEFAULT["duplicates"]), ([0.1] * 9 + [1.0]) * 5, figure)
    assert set(odd) == {0}


def test_the_same_amount_of_text_has_the_same_variety_however_it_is_cut() -> None:
    monitor = Distinct()
    text = "".join(chr(0x4E00 + number) for number in range(CHARACTERS))
    once = measured(monitor, scored([text]))
    assert once == 1.0
    assert measured(Distinct(), scored([text, text, text, text])) == 1.0, "in as much as is looked at, nothing repeats"


def test_a_text_that_repeats_itself_has_little_variety() -> None:
    assert measured(Distinct(), scored(["祝福" * 300])) < 0.01
    assert Distinct().measure(scored(["", "  "])) is None


def test_a_policy_that_repeats_itself_is_warned_of_and_then_stopped_by_default() -> None:
    monitor = Distinct()
    honest = measured(monitor, scored(GREETINGS))
    worse = [
        measured(monitor, scored([*GREETINGS[:kept], *["福如东海寿比南山" * 8] * (4 - kept)])) for kept in (2, 1, 0)
    ]
    assert honest > worse[0] > worse[1] > worse[2]
    told = levels(
        Watch(monitor, DEFAULT["distinct_2"]), [honest] * 15 + [worse[0]] * 12 + [worse[2]] * 12, monitor.figure
    )
    assert told[14] == 0
    assert told[26] == 1
    assert told[-1] == 2


def test_variety_is_compared_with_the_first_steps_of_the_run() -> None:
    monitor = Distinct()
    watch = Watch(monitor, Threshold(warn=None, stop=None, steps=1))
    assert levels(watch, [0.9, 0.7, 0.8, 0.9, 0.7], monitor.figure) == [0] * 5
    assert watch.reading is None
    reading = watch.observe({monitor.figure: 0.4})
    assert reading is not None
    assert reading.value == pytest.approx(0.5)
    assert watch.observe({"policy/distinct_2": 0.4}) is None, "that of all the text hangs on its amount"
