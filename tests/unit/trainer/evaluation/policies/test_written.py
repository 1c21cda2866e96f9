"""Completions that were written elsewhere: the first of each prompt that is evaluated; faults are named by row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.errors import InvalidData
from trainer.data.formats import PROMPT_PREFIX
from trainer.evaluation.policies.written import read_written
from trainer.sampling.prompts import Prompt

PROMPTS = [Prompt(1, "贺新居"), Prompt(4, "贺新婚"), Prompt(5, "贺高寿")]


def file_of(folder: Path, *rows: object) -> Path:
    path = folder / "written.jsonl"
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def test_the_first_completions_of_each_prompt_are_taken_in_the_order_of_the_prompts(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        {"prompt": "贺新婚", "completion": "百年好合", "truncated": False, "tokens": 4},
        {"prompt": PROMPT_PREFIX + "贺新居", "completion": "灯火可亲"},
        {"prompt": "贺新婚", "completion": ""},
        {"prompt": "贺新婚", "completion": "第三条"},
        {"prompt": "贺升职", "completion": "步步高升"},
    )
    written = read_written(path, PROMPTS, 2)
    assert [(sample.id, sample.completion) for sample in written.samples] == [
        ("row-1/0", "灯火可亲"),
        ("row-4/0", "百年好合"),
        ("row-4/1", ""),
    ]
    assert [(sample.truncated, sample.tokens) for sample in written.samples] == [(None, None), (False, 4), (None, None)]
    assert (written.other_prompts, written.too_many) == (1, 1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "贺新居"}, "row 2: field 'completion' is missing"),
        ({"prompt": "贺新居", "completion": None}, "row 2: field 'completion' is null"),
        ({"completion": "好"}, "row 2: field 'prompt' is missing"),
        ({"prompt": "贺新居", "completion": "\ud800"}, "row 2: field 'completion' holds lone surrogates"),
        ({"prompt": "贺新居", "completion": "好", "truncated": 1}, "row 2: field 'truncated' is a number"),
        ({"prompt": "贺新居", "completion": "好", "tokens": -1}, "row 2: field 'tokens' is no number"),
        ({"prompt": "贺新居", "completion": "好", "tokens": True}, "row 2: field 'tokens' is no number"),
    ],
)
def test_a_fault_is_named_with_its_row(tmp_path: Path, row: dict[str, object], message: str) -> None:
    path = tmp_path / "written.jsonl"
    path.write_text("".join(f"{json.dumps(each)}\n" for each in ({"prompt": "贺新居", "completion": "好"}, row)))
    with pytest.raises(InvalidData, match=message):
        read_written(path, PROMPTS, 2)


def test_a_file_for_other_prompts_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, {"prompt": "贺升职", "completion": "步步高升"})
    with pytest.raises(InvalidData, match="nothing for the prompts of this evaluation; 1 rows are of others"):
        read_written(path, PROMPTS, 2)
