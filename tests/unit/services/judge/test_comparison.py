"""Comparing members of a group: what the place in the prompt adds is cancelled, whatever its size."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from services.judge.comparison import MAX_MEMBERS, MIN_MEMBERS, GroupMode, compare, compare_with_empty, orders
from services.judge.examples import find_examples
from services.judge.prompts import BEST_CUE
from shared.llm.errors import LlmFailed
from shared.schemas import Usage
from tests.unit.services.judge.made import answer, mode_settings, principles

members_of_groups = strategies.integers(min_value=MIN_MEMBERS, max_value=MAX_MEMBERS)


def asked(
    strengths: Sequence[float], bias: Sequence[float], wanted: Sequence[tuple[int, ...]]
) -> dict[tuple[int, ...], list[float]]:
    """What a model with these tastes for texts and places would answer: log-probabilities of the letters."""
    observed: dict[tuple[int, ...], list[float]] = {}
    for order in wanted:
        logits = [strengths[member] + bias[place] for place, member in enumerate(order)]
        highest = max(logits)
        total = highest + math.log(sum(math.exp(logit - highest) for logit in logits))
        observed[order] = [logit - total for logit in logits]
    return observed


def centred(values: Sequence[float]) -> list[float]:
    return [value - statistics.fmean(values) for value in values]


def chances(strengths: Sequence[float]) -> list[float]:
    """Of each, the mean chance to be preferred to each other one."""
    return [
        statistics.fmean(1 / (1 + math.exp(other - own)) for at, other in enumerate(strengths) if at != index)
        for index, own in enumerate(strengths)
    ]


# Orders


@hypothesis.given(members=members_of_groups, seed=strategies.text())
def test_in_as_many_orders_as_members_every_text_stands_at_every_place_once(members: int, seed: str) -> None:
    square = orders(members, MAX_MEMBERS, seed)
    assert len(square) == members
    assert all(sorted(order) == list(range(members)) for order in square)
    for place in range(members):
        assert sorted(order[place] for order in square) == list(range(members))


@hypothesis.given(members=members_of_groups, count=strategies.integers(min_value=0, max_value=20))
def test_fewer_orders_differ_and_never_show_a_text_twice_at_one_place(members: int, count: int) -> None:
    some = orders(members, count, "种子")
    assert len(some) == max(1, min(count, members))
    for place in range(members):
        assert len({order[place] for order in some}) == len(some)


def test_two_orders_put_each_text_into_both_halves() -> None:
    first, second = orders(8, 2, "种子")
    assert all((first.index(member) < 4) != (second.index(member) < 4) for member in range(8))


def test_orders_hang_on_the_seed_alone() -> None:
    assert orders(8, 8, "甲") == orders(8, 8, "甲")
    assert len({tuple(orders(8, 8, str(seed))) for seed in range(50)}) == 50
    firsts = [orders(4, 1, str(seed))[0][0] for seed in range(200)]
    assert all(firsts.count(member) > 20 for member in range(4)), "nobody is always first"


# Taking apart


@hypothesis.given(
    strengths=strategies.lists(
        strategies.floats(min_value=-8, max_value=8), min_size=MIN_MEMBERS, max_size=MAX_MEMBERS
    ),
    data=strategies.data(),
    size=strategies.sampled_from([0.0, 0.5, 5.0, 100.0]),
)
def test_a_position_bias_of_any_size_is_cancelled_exactly(
    strengths: list[float], data: strategies.DataObject, size: float
) -> None:
    unit = strategies.floats(min_value=-1, max_value=1)
    bias = [size * data.draw(unit) for _ in strengths]
    square = orders(len(strengths), MAX_MEMBERS, data.draw(strategies.text(max_size=4)))
    comparison = compare(asked(strengths, bias, square))
    assert comparison.strengths == pytest.approx(centred(strengths), abs=1e-6)
    assert comparison.rewards == pytest.approx(chances(strengths), abs=1e-6)
    assert comparison.position_bias == pytest.approx(max(bias) - min(bias), abs=1e-6)
    assert statistics.fmean(comparison.rewards) == pytest.approx(0.5)


def test_equal_texts_get_one_half_each_however_much_the_first_place_is_liked() -> None:
    comparison = compare(asked([1.0] * 4, [9.0, 0.0, 0.0, 0.0], orders(4, 4, "")))
    assert comparison.rewards == pytest.approx([0.5] * 4)
    assert comparison.position_bias == pytest.approx(9)


def test_without_cancelling_the_place_would_have_decided() -> None:
    """What the tests above would not notice is a bias that does not matter."""
    (order,) = orders(4, 1, "甲")
    logs = asked([0.0, 0.1, 0.2, 0.3], [9.0, 0.0, 0.0, 0.0], [order])[order]
    assert logs.index(max(logs)) == 0


def test_two_members_get_the_chance_that_one_is_preferred() -> None:
    comparison = compare(asked([math.log(3), 0.0], [2.0, 0.0], orders(2, 2, "")))
    assert comparison.rewards == pytest.approx([0.75, 0.25])


def test_strengths_without_bounds_give_rewards_within_them() -> None:
    comparison = compare({(0, 1): [0.0, -9999.0], (1, 0): [-9999.0, 0.0]})
    assert comparison.rewards == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize(("count", "least", "error"), [(8, 1.0, 1e-9), (4, 0.8, 0.12), (2, 0.65, 0.16), (1, 0.55, 0.2)])
def test_fewer_orders_than_members_are_about_right(count: int, least: float, error: float) -> None:
    source = random.Random(count)
    correlations: list[float] = []
    errors: list[float] = []
    for trial in range(100):
        strengths = [source.gauss(0, 1) for _ in range(8)]
        bias = [source.gauss(0, 1) for _ in range(8)]
        comparison = compare(asked(strengths, bias, orders(8, count, str(trial))))
        assert statistics.fmean(comparison.rewards) == pytest.approx(0.5)
        assert all(0 <= reward <= 1 for reward in comparison.rewards)
        correlations.append(float(np.corrcoef(comparison.strengths, strengths)[0, 1]))
        errors += [abs(a - b) for a, b in zip(comparison.rewards, chances(strengths), strict=True)]
    assert statistics.fmean(correlations) >= least - 1e-9
    assert statistics.fmean(errors) <= error


def test_in_fewer_orders_texts_of_different_strength_are_never_turned_round_where_places_do_not_matter() -> None:
    strengths = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    for count in range(1, 9):
        comparison = compare(asked(strengths, [0.0] * 8, orders(8, count, "甲")))
        assert comparison.rewards[7] == max(comparison.rewards)
        assert comparison.rewards[0] == min(comparison.rewards)


# Members with nothing to judge


def test_members_without_words_lose_against_all_others_and_draw_among_each_other() -> None:
    judged = {0: compare(asked([math.log(3), 0.0], [0.0, 0.0], orders(2, 2, "")))}
    comparison = compare_with_empty(judged, [1, 3], 4)
    assert comparison.rewards == pytest.approx([1 / 6, 2.75 / 3, 1 / 6, 2.25 / 3])
    assert statistics.fmean(comparison.rewards) == pytest.approx(0.5)


@pytest.mark.parametrize(("worded", "wanted"), [([], [0.5] * 3), ([1], [0.25, 1.0, 0.25])])
def test_where_fewer_than_two_have_words_nobody_is_asked(worded: list[int], wanted: list[float]) -> None:
    assert compare_with_empty({}, worded, 3).rewards == pytest.approx(wanted)


@hypothesis.given(data=strategies.data(), members=members_of_groups)
def test_rewards_of_a_group_have_the_mean_one_half_whoever_is_empty(data: strategies.DataObject, members: int) -> None:
    worded = sorted(data.draw(strategies.sets(strategies.integers(min_value=0, max_value=members - 1))))
    judged = {}
    if len(worded) >= MIN_MEMBERS:
        for model in range(data.draw(strategies.integers(min_value=1, max_value=3))):
            strengths = [data.draw(strategies.floats(min_value=-5, max_value=5)) for _ in worded]
            judged[model] = compare(asked(strengths, [0.0] * len(worded), orders(len(worded), 16, "")))
    comparison = compare_with_empty(judged, worded, members)
    assert statistics.fmean(comparison.rewards) == pytest.approx(0.5)
    assert all(0 <= reward <= 1 for reward in comparison.rewards)
    if worded and len(worded) < members:
        assert min(comparison.rewards[place] for place in worded) > max(
            comparison.rewards[place] for place in range(members) if place not in worded
        )


def test_a_panel_counts_each_model_alike() -> None:
    first = compare(asked([2.0, 0.0], [0.0, 0.0], orders(2, 2, "")))
    second = compare(asked([0.0, 2.0], [0.0, 0.0], orders(2, 2, "")))
    together = compare_with_empty({0: first, 1: second}, [0, 1], 2)
    assert together.rewards == pytest.approx([0.5, 0.5])
    assert together.strengths == pytest.approx([0.0, 0.0])


# Questions and answers


def group_mode(**changes: object) -> GroupMode:
    return GroupMode(principles(), find_examples("greetings-balanced-v1"), mode_settings(**changes))


def test_all_candidates_are_shown_with_letters_in_the_order_given() -> None:
    request = group_mode().request("新婚", ["甲作。", "乙作。", "丙作。"])
    last = request.messages[-1].content
    assert [last.index(f"祝福语 {letter} ") for letter in "ABC"] == sorted(
        last.index(f"祝福语 {letter} ") for letter in "ABC"
    )
    assert last.index("甲作。") < last.index("乙作。") < last.index("丙作。")
    assert last.endswith(BEST_CUE)
    assert request.max_tokens == 1
    assert request.top_logprobs >= 16


def test_the_better_example_stands_first_as_often_as_second() -> None:
    turns = group_mode().request("新婚", ["甲作。", "乙作。"]).messages
    letters = [turn.content for turn in turns if turn.role == "assistant"]
    assert letters[:4] == ["A", "B", "A", "B"]
    assert abs(letters.count("A") - letters.count("B")) <= 1


def test_letters_are_read_in_any_spelling() -> None:
    told = {" A": math.log(0.5), "A": math.log(0.1), "B": math.log(0.3), "C": math.log(0.05)}
    logs = group_mode().read(answer("A", told), 3)
    assert [math.exp(log) for log in logs] == pytest.approx([0.6, 0.3, 0.05])


@pytest.mark.parametrize(
    ("told", "members"),
    [
        ({"我": math.log(0.5), "都": math.log(0.4)}, 4),
        ({"D": math.log(0.9), "A": math.log(0.05), "B": math.log(0.02)}, 2),
        ({"选": math.log(0.9), "A": math.log(0.1)}, 2),
    ],
)
def test_an_answer_without_enough_of_the_letters_is_a_failure_with_its_cost(
    told: dict[str, float], members: int
) -> None:
    with pytest.raises(LlmFailed) as caught:
        group_mode().read(answer("A", told), members)
    assert caught.value.failure_code == "llm_unparsable"
    assert caught.value.usage == Usage(prompt_tokens=40, completion_tokens=3)
