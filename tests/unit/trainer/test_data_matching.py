from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidData
from trainer.data.labelled import Labelled, load_labelled
from trainer.data.matching import LEAST_PAIRS, about_as_long, in_order, matched
from trainer.data.records import Label


def text(length: int, label: Label, number: int, prompt: str | None = None) -> Labelled:
    return Labelled(prompt or f"请求{number}{label}", f"{number:03d}".ljust(length, "字"), label)


@given(st.lists(st.tuples(st.integers(3, 80), st.booleans()), min_size=2, max_size=60), st.integers(0, 5))
def test_pairs_are_balanced_about_as_long_and_use_a_row_once(lengths: list[tuple[int, bool]], seed: int) -> None:
    rows = [text(length, 1 if good else 0, number) for number, (length, good) in enumerate(lengths)]
    try:
        pairs = matched("rows", rows, seed=seed).pairs
    except InvalidData:
        return
    used = [row for pair in pairs for row in (pair.good, pair.bad)]
    assert len(used) == len(set(used))
    assert all(pair.good.label == 1 and pair.bad.label == 0 for pair in pairs)
    assert all(about_as_long(pair.good.completion, pair.bad.completion) for pair in pairs)


def test_a_partner_of_the_same_request_comes_first() -> None:
    rows = [text(20, label, 10 * number + label, f"请求{number}") for number in range(5) for label in (1, 0)]

    assert all(pair.good.prompt == pair.bad.prompt for pair in matched("rows", rows, seed=0).pairs)


def test_what_is_left_is_matched_across_requests() -> None:
    rows = [text(length, 1, length) for length in (20, 30, 40, 50)] + [
        text(length, 0, length) for length in (21, 31, 41, 51)
    ]

    assert len(matched("rows", rows, seed=0).pairs) == 4


def test_long_good_and_short_bad_texts_cannot_be_matched() -> None:
    rows = [text(60, 1, number) for number in range(20)] + [text(24, 0, number) for number in range(20)]

    with pytest.raises(InvalidData, match=f"0 pairs .*{LEAST_PAIRS} are needed"):
        matched("rows", rows, seed=0)


def test_a_seed_draws_the_same_pairs_and_another_one_others() -> None:
    rows = load_labelled("starter:train")
    drawn = [matched("starter", rows, seed=seed, at_most_rows=40).pairs for seed in (0, 0, 1)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 20


def test_length_tells_nothing_on_a_matched_set() -> None:
    described = matched("starter", load_labelled("starter:train"), seed=0).describe()

    assert described["length_auc"] == pytest.approx(0.5, abs=0.03)
    assert abs(float(str(described["mean_length_gap"]))) < 1
    assert int(str(described["rows"])) > 1000


@pytest.mark.parametrize("seed", range(5))
def test_in_what_is_drawn_good_and_bad_texts_are_the_longer_ones_in_turn(seed: int) -> None:
    described = matched("starter", load_labelled("starter:validation"), seed=seed, at_most_rows=32).describe()

    assert abs(float(str(described["mean_length_gap"]))) < 0.5
    assert described["length_auc"] == pytest.approx(0.5, abs=0.08)


def test_an_order_hangs_on_keys_and_seed_alone() -> None:
    keys = ["a", "b", "c", "d"]

    assert in_order("wxyz", keys, "7:labelled:0") == in_order("wxyz", keys, "7:labelled:0")
    assert sorted(in_order("wxyz", keys, "7")) == ["w", "x", "y", "z"]
    assert len({tuple(in_order("wxyz", keys, str(seed))) for seed in range(50)}) > 10
