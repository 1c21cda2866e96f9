from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.errors import InvalidData
from trainer.data.labelled import Labelled, load_labelled
from trainer.judge_optimizer.errors import PoolsOverlap
from trainer.judge_optimizer.pools import check_disjoint


def written(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def row(response: str, label: object, query: str = "请求") -> dict[str, Any]:
    return {"query": query, "response": response, "label": label}


def test_labelled_responses_keep_their_labels(tmp_path: Path) -> None:
    source = written(tmp_path / "rows.jsonl", row("甲", 1), row("乙", 0))

    assert load_labelled(source) == [Labelled("请求", "甲", 1), Labelled("请求", "乙", 0)]


def test_of_pairs_the_chosen_one_is_good_and_the_rejected_one_bad(tmp_path: Path) -> None:
    source = written(tmp_path / "pairs.jsonl", {"prompt": "请求", "chosen": "甲", "rejected": "乙"})

    assert load_labelled(source) == [Labelled("请求", "甲", 1), Labelled("请求", "乙", 0)]


def test_the_starter_set_gives_two_rows_a_pair() -> None:
    rows = load_labelled("starter:validation")

    assert len(rows) == 192
    assert sum(row.label == 1 for row in rows) == 96


def test_what_stands_twice_comes_once(tmp_path: Path) -> None:
    assert len(load_labelled(written(tmp_path / "rows.jsonl", row("甲", 1), row("甲", 1), row("乙", 0)))) == 2


def test_a_text_that_is_both_good_and_bad_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="1 texts are labelled good in one row and bad in another"):
        load_labelled(written(tmp_path / "rows.jsonl", row("甲", 1), row("甲", 0)))


@pytest.mark.parametrize("label", [2, True, None, "1"])
def test_a_label_that_is_none_is_refused_by_row(tmp_path: Path, label: object) -> None:
    with pytest.raises(InvalidData, match=r"row 2: field 'label'"):
        load_labelled(written(tmp_path / "rows.jsonl", row("甲", 1), row("乙", label)))


@pytest.mark.parametrize("source", ["nowhere.jsonl", "starter:nothing"])
def test_a_source_that_is_not_there_is_refused(source: str) -> None:
    with pytest.raises(InvalidData):
        load_labelled(source)


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="preference pairs cannot be made"):
        load_labelled(written(tmp_path / "prompts.jsonl", {"prompt": "请求"}))


@pytest.mark.parametrize(
    "other", [Labelled("别的请求", "同 一 句 ABC", 0), Labelled("请求  一", "别的话", 0), Labelled("请求一", "别的", 1)]
)
def test_pools_that_share_a_request_or_a_text_are_refused_however_it_is_written(other: Labelled) -> None:
    with pytest.raises(PoolsOverlap, match="train: shares 1"):
        check_disjoint({"train": [Labelled("请求一", "同一句ＡＢＣ", 1)], "test": [other]})


def test_the_splits_of_the_starter_set_are_disjoint() -> None:
    check_disjoint({split: load_labelled(f"starter:{split}") for split in ("train", "validation", "test")})


def test_an_id_hangs_on_the_content_alone() -> None:
    assert Labelled("甲", "乙", 1).id == Labelled("甲", "乙", 1).id
    assert len({Labelled("甲", "乙", 1).id, Labelled("甲", "乙", 0).id, Labelled("甲乙", "", 1).id}) == 3
