"""Slices: every row in one of each group; what is asked often is what many ask for in whatever words."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trainer.evaluation.rewards.made import labelled
from trainer.data.labelled import Labelled, load_labelled
from trainer.evaluation.rewards.frequency import LEAST, ONE_IN, Frequencies, asked_for
from trainer.evaluation.rewards.slices import ORDINARY, OTHER, RARE, occasion_of, slices_of


def test_requests_in_other_words_ask_for_the_same() -> None:
    assert (
        asked_for("舅公生日祝福语 简短")
        == asked_for("2025暖心祝舅公生日快乐的句子")
        == asked_for("送给舅公的生日祝福！")
    )
    assert asked_for("祝舅公生日") != asked_for("祝舅婆生日")
    assert asked_for("祝福语大全") == asked_for("最美祝福短句") == ""


def test_high_frequency_is_what_one_in_so_many_ask_for_and_never_fewer_than_a_few() -> None:
    common = ["祝舅公生日快乐", "舅公生日祝福语", "舅公的生日祝福短句"]
    few = Frequencies([*common, *(f"第{number}号请求" for number in range(40))])
    assert few.threshold == LEAST == len(common)
    assert few.is_high("简短的舅公生日祝福")
    assert not few.is_high("第7号请求")
    many = Frequencies([*common, *(f"第{number}号请求" for number in range(4 * ONE_IN))])
    assert many.threshold == 5
    assert not many.is_high("简短的舅公生日祝福")


def test_each_row_is_in_one_slice_of_each_group() -> None:
    rows = labelled(90)
    lengths = np.asarray([len(row.completion) for row in rows], dtype=np.float64)
    found = slices_of(rows, lengths, Frequencies(row.prompt for row in rows))
    for group in ("occasion", "request", "length"):
        places = np.concatenate([each.rows for each in found if each.group == group])
        assert sorted(places.tolist()) == list(range(90))
    thirds = [each for each in found if each.group == "length"]
    assert [len(each.rows) for each in thirds] == pytest.approx([30, 30, 30], abs=6)
    assert lengths[thirds[0].rows].max() < lengths[thirds[1].rows].min()
    assert lengths[thirds[1].rows].max() < lengths[thirds[2].rows].min()
    assert f"to {int(lengths[thirds[0].rows].max())} characters" == thirds[0].name


def test_lengths_that_are_all_alike_are_one_slice() -> None:
    rows = [Labelled(f"第{number}位", "好" * 9 + str(number), 1) for number in range(5)]
    found = slices_of(rows, np.full(5, 10.0), Frequencies([]))
    assert [len(each.rows) for each in found if each.group == "length"] == [5]


def test_occasions_are_named_by_the_request_or_by_the_starter_set() -> None:
    assert occasion_of("给外婆的生日祝福") == "birthday"
    assert occasion_of("随便写几句") == OTHER
    assert occasion_of("随便写几句", "金婚") == "marriage"
    rows = load_labelled("starter:train")
    lengths = np.asarray([len(row.completion) for row in rows], dtype=np.float64)
    found = {
        each.name: len(each.rows) for each in slices_of(rows, lengths, Frequencies([])) if each.group == "occasion"
    }
    assert found["birthday"] > 40
    assert found.get(OTHER, 0) < len(rows) / 10, "nearly all occasions of the starter set are in the lexicon"


def test_rare_occasions_make_up_one_slice() -> None:
    rows = [Labelled(f"给第{number}位的生日祝福", f"好{number}", 1) for number in range(20)]
    rows += [Labelled("端午节祝福", "粽", 1), Labelled("中秋节祝福", "月", 1)]
    found = slices_of(rows, np.ones(22), Frequencies([]))
    assert {each.name: len(each.rows) for each in found if each.group == "occasion"} == {"birthday": 20, RARE: 2}
    assert [each.name for each in found if each.group == "request"] == [ORDINARY]
