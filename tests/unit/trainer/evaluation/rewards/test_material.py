"""What is evaluated is loaded whole, drawn by request, and does not leak into what baselines learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.errors import InvalidData
from tests.unit.trainer.evaluation.rewards.made import (
    BAD,
    GOOD,
    labelled,
    material_of,
    text,
    write_labelled,
    write_pairs,
)
from trainer.data.labelled import Labelled
from trainer.evaluation.rewards.material import Sources, load_material


def test_rows_whose_text_is_evaluated_are_taken_out_of_what_baselines_learn_from(tmp_path: Path) -> None:
    rows = labelled(60)
    pairs = [(f"请求{number}", text(GOOD, 30, 900 + number), text(BAD, 30, 950 + number)) for number in range(12)]
    known = labelled(60, seed=1)
    leaks = [
        Labelled("别的请求", f"  {rows[0].completion} ", 1),
        Labelled("别的请求", rows[1].completion, 0),
        Labelled("别的请求", pairs[3][1], 1),
    ]
    train = write_labelled(tmp_path / "train.jsonl", [*known, *leaks])
    material = material_of(tmp_path, rows, pairs=write_pairs(tmp_path / "pairs.jsonl", pairs), train=train)
    assert material.training is not None
    assert list(material.training.rows) == known
    assert material.training.leaked == 3
    assert material.texts[:2] == [(rows[0].prompt, rows[0].completion), (rows[1].prompt, rows[1].completion)]
    assert material.texts[60:62] == [(pairs[0][0], pairs[0][1]), (pairs[0][0], pairs[0][2])]
    assert len(material.folds) == 60 + 24


def test_nothing_left_to_learn_from_is_an_error_with_its_reason(tmp_path: Path) -> None:
    rows = labelled(40)
    train = write_labelled(tmp_path / "train.jsonl", rows)
    with pytest.raises(InvalidData, match="0 good and 0 bad rows are left when 40 whose text is evaluated"):
        material_of(tmp_path, rows, train=train)


def test_too_few_rows_of_a_label_are_an_error(tmp_path: Path) -> None:
    rows = [row for place, row in enumerate(labelled(60)) if row.label == 1 or place < 18]
    with pytest.raises(InvalidData, match="30 good and 9 bad rows; 10 of each are needed"):
        material_of(tmp_path, rows)


def test_of_pairs_of_another_source_the_close_ones_are_scored(tmp_path: Path) -> None:
    pairs = [(f"请求{number}", "好" * (20 + number), "坏" * 20) for number in range(10)]
    pairs += [(f"另{number}", "好" * 20, "坏" * (20 + number // 4)) for number in range(10)]
    source = write_pairs(tmp_path / "pairs.jsonl", pairs)
    material = material_of(tmp_path, labelled(60), pairs=source)
    assert [pair.chosen for pair in material.pairs] == [
        chosen
        for _, chosen, rejected in pairs
        if 5 * abs(len(chosen) - len(rejected)) <= max(len(chosen), len(rejected))
    ]
    assert material.pairs_of == 20
    assert material.pairs_source == source
    assert len(material.close) == len(material.pairs)
    with pytest.raises(InvalidData, match="0 pairs are within 20% in length"):
        material_of(tmp_path, labelled(60), pairs=write_pairs(tmp_path / "far.jsonl", [("一", "长" * 40, "短")]))


def test_data_that_are_pairs_themselves_are_scored_whole() -> None:
    material = load_material(Sources(data="starter:test"), seed=0)
    assert material.pairs_source == "starter:test"
    assert len(material.pairs) == 96
    assert len(material.close) == 96, "the starter set's pairs are all of about one length"
    assert set(material.texts[192:]) == set(material.texts[:192])
    assert np.bincount(material.requests).tolist() == [2] * 96


def test_a_limit_draws_whole_requests_and_the_same_ones_for_a_seed() -> None:
    drawn = [load_material(Sources(data="starter:test", limit=60), seed=seed) for seed in (0, 0, 1)]
    assert [len(material.rows) for material in drawn] == [60, 60, 60]
    assert drawn[0].rows == drawn[1].rows
    assert drawn[0].rows != drawn[2].rows
    assert np.bincount(drawn[0].requests).tolist() == [2] * 30
    assert len(drawn[0].pairs) == 30, "pairs of the rows that were drawn"
    assert drawn[0].of == 192


def test_rows_that_all_share_a_request_cannot_be_cross_fitted(tmp_path: Path) -> None:
    rows = [Labelled("同一个请求", row.completion, row.label) for row in labelled(40)]
    with pytest.raises(InvalidData, match="do not fill 5 folds"):
        material_of(tmp_path, rows)
