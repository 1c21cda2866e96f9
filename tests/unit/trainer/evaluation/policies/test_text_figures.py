"""Length, variety, repetition and copying, on texts of which the answer is known."""

from __future__ import annotations

import pytest

from tests.unit.trainer.evaluation.policies.made import sample, written
from trainer.evaluation.policies.copying import KnownTexts
from trainer.evaluation.policies.prompt_means import mean_over_prompts, prompt_means, share_over_prompts
from trainer.evaluation.policies.samples import Written
from trainer.evaluation.policies.text_figures import TextFigures, text_figures
from trainer.text_stats import distinct_in

ONE, TWO, THREE = "院里的石榴又红了", "夜里的台灯没有白亮", "新锁新灯新茶杯"


def figures_of(*completions: list[str]) -> TextFigures:
    return text_figures([written("policy", completions)], None)["policy"]


def test_prompts_count_alike_however_many_samples_they_have() -> None:
    figures = figures_of(["一二三四", "一二三四五六"], ["一二"])
    assert (figures.prompts, figures.samples) == (2, 3)
    assert figures.characters.mean == pytest.approx((5 + 2) / 2)
    assert figures.deciles == (2.0, 4.0, 6.0)


def test_a_text_that_stands_there_twice_is_counted_once_for_each_repetition() -> None:
    figures = figures_of([ONE, ONE + " ", TWO], [THREE, THREE, THREE], [TWO, ONE, THREE + "了"])
    assert figures.repeated_for_a_prompt.mean == pytest.approx((1 / 3 + 2 / 3 + 0) / 3)
    assert figures.repeated_across_prompts.mean == pytest.approx((3 / 3 + 0 + 2 / 3) / 3)


def test_likeness_is_one_for_a_policy_that_always_says_the_same() -> None:
    same = figures_of([ONE, ONE], [ONE, ONE])
    assert same.alike_for_a_prompt is not None
    assert same.alike_across_prompts is not None
    assert (same.alike_for_a_prompt.mean, same.alike_across_prompts.mean) == (1.0, 1.0)
    by_prompt = figures_of([ONE, ONE], [THREE, THREE])
    assert by_prompt.alike_for_a_prompt is not None
    assert by_prompt.alike_across_prompts is not None
    assert by_prompt.alike_for_a_prompt.mean == 1.0
    assert by_prompt.alike_across_prompts.mean == 0.0


def test_with_one_sample_a_prompt_there_is_nothing_to_be_alike_to() -> None:
    assert figures_of([ONE], [TWO]).alike_for_a_prompt is None
    assert figures_of([ONE, TWO]).alike_across_prompts is None


def test_blank_texts_are_counted_and_are_alike_to_nothing() -> None:
    figures = figures_of([ONE, " \n"], [TWO, TWO])
    assert figures.blank == 1
    assert figures.alike_for_a_prompt is not None
    assert figures.alike_for_a_prompt.mean == 1.0, "the first prompt has one text only"


def test_who_wrote_more_is_not_called_less_varied_for_it() -> None:
    short = written("short", [[ONE], [TWO]])
    long = written("long", [[ONE + TWO + ONE], [TWO + ONE + TWO]])
    figures = text_figures([short, long], None)
    amount = len(ONE + TWO)
    assert figures["short"].distinct_characters == figures["long"].distinct_characters == amount
    assert distinct_in([ONE, TWO], 1, amount, 0) == figures["short"].distinct[0]
    assert figures["short"].distinct[0] == pytest.approx(len(set(ONE + TWO)) / amount)
    assert figures["long"].distinct[0] > 0.9 * figures["short"].distinct[0]


def test_what_ran_into_the_limit_is_a_share_only_where_it_is_known() -> None:
    samples = (sample(1, 0, ONE, truncated=True), sample(1, 1, TWO), sample(2, 0, ONE))
    truncated = text_figures([Written("policy", samples)], None)["policy"].truncated
    assert truncated is not None
    assert truncated.mean == pytest.approx(0.25)
    unknown = Written("policy", (sample(1, 0, ONE, truncated=None),))
    assert text_figures([unknown], None)["policy"].truncated is None


def test_copies_are_counted_by_how_they_were_copied() -> None:
    policy = written("policy", [[ONE], [f"妈妈{ONE}"], [THREE + "常有说笑"], ["粉笔落在您肩上，路就亮了"]])
    known = KnownTexts([ONE, TWO])
    found = {"policy": [known.look_up(each.completion) for each in policy.samples]}
    copying = text_figures([policy], found)["policy"].copying
    assert copying is not None
    assert copying.whole.mean == pytest.approx(1 / 4)
    assert copying.long_stretch.mean == pytest.approx(2 / 4)
    assert copying.any.mean == pytest.approx(2 / 4)


def test_a_share_of_none_or_all_is_not_certain() -> None:
    none, every = share_over_prompts([0.0] * 20), share_over_prompts([1.0] * 20)
    assert none is not None
    assert every is not None
    assert (none.mean, none.low) == (0.0, 0.0)
    assert none.high > 0.1
    assert (every.mean, every.high) == (1.0, 1.0)
    assert every.low < 0.9
    assert share_over_prompts([]) is None
    assert mean_over_prompts([]) is None


def test_samples_without_a_value_are_left_out_of_their_prompts_mean() -> None:
    samples = written("policy", [[ONE, TWO], [THREE], [ONE]]).samples
    assert prompt_means(samples, [1.0, None, None, 3.0]) == {"row-1": 1.0, "row-3": 3.0}
