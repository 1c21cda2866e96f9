from __future__ import annotations

import random

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from trainer.data.records import PreferencePair
from trainer.length_control import fit_length_correction, length_matched, same_length


def pair(number: int, good: int, bad: int) -> PreferencePair:
    return PreferencePair(f"请求{number}", f"{number:04d}" + "好" * (good - 4), f"{number:04d}" + "坏" * (bad - 4))


CONFOUNDED = [pair(number, good=20 + number % 60, bad=10 + number % 30) for number in range(240)]
"""Good texts of 20 to 79 characters, bad ones of 10 to 39."""


def test_a_fifth_is_still_the_same_length_and_more_is_not() -> None:
    assert same_length("好" * 10, "坏" * 8)
    assert not same_length("好" * 10, "坏" * 7)


def test_every_comparison_is_of_one_length_and_every_better_text_takes_part() -> None:
    matched = length_matched(CONFOUNDED, seed=0)
    assert all(same_length(made.chosen, made.rejected) for made in matched)
    assert {made.chosen for made in matched} == {given.chosen for given in CONFOUNDED}


def test_length_tells_nothing_of_which_text_is_better_any_more() -> None:
    before = np.mean([len(given.chosen) > len(given.rejected) for given in CONFOUNDED])
    matched = length_matched(CONFOUNDED, seed=0)
    gaps = [len(made.chosen) - len(made.rejected) for made in matched]
    assert before > 0.9
    assert abs(float(np.mean(gaps))) < 2


def test_a_pair_of_one_length_stays_as_it_is() -> None:
    assert length_matched([pair(1, 20, 19), pair(2, 20, 21)], seed=3) == [pair(1, 20, 19), pair(2, 20, 21)]


def test_a_worse_text_keeps_the_prompt_that_it_was_written_for() -> None:
    rejected = {given.rejected: given.prompt for given in CONFOUNDED}
    for made in length_matched(CONFOUNDED, seed=0):
        if made.rejected in rejected:
            assert (made.rejected_prompt or made.prompt) == rejected[made.rejected]


def test_where_no_worse_text_is_as_long_some_are_joined() -> None:
    pairs = [pair(number, good=80, bad=20) for number in range(8)]
    matched = length_matched(pairs, seed=0)
    assert len(matched) == len(pairs)
    for made, given in zip(matched, pairs, strict=True):
        assert made.rejected.startswith(given.rejected)
        assert made.rejected_prompt is None


def test_the_same_seed_gives_the_same_comparisons() -> None:
    assert length_matched(CONFOUNDED, seed=1) == length_matched(CONFOUNDED, seed=1)
    assert length_matched(CONFOUNDED, seed=1) != length_matched(CONFOUNDED, seed=2)


def test_the_correction_takes_what_length_adds_and_leaves_what_the_label_adds() -> None:
    source = random.Random(0)
    labels = [source.randint(0, 1) for _ in range(4000)]
    characters = [source.randint(10, 60) + 20 * label for label in labels]
    logits = [2.0 * label + 0.05 * size + source.gauss(0, 0.1) for label, size in zip(labels, characters, strict=True)]
    line = fit_length_correction(logits, characters, labels)
    assert line is not None
    corrected = [logit - line.at(size) for logit, size in zip(logits, characters, strict=True)]
    left = LinearRegression().fit(np.c_[labels, characters], corrected).coef_
    assert left == pytest.approx([2.0, 0.0], abs=0.06)
    assert float(np.mean(corrected)) == pytest.approx(float(np.mean(logits)), abs=1e-6)


def test_texts_of_one_length_need_no_correction() -> None:
    assert fit_length_correction([1.0, 2.0], [30, 30], [0, 1]) is None
