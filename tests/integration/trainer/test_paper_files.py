"""The paper's published files load as they lie; ``ZHUFU_PAPER_DATA`` names the folder that holds them.

They carry no licence, so none of them is in this repository. Rows are counted here by other means than the loaders'.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shared.errors import InvalidData
from trainer.data.formats import LABEL_ZERO, PROMPT_PREFIX, SAME_TEXT, load_examples, load_pairs, load_prompts
from trainer.data.records import Loaded, Record
from trainer.data.starter import SPLITS, load_starter

VARIABLE = "ZHUFU_PAPER_DATA"
COPIED_CHARACTERS = 16
NOT_CHINESE = re.compile(r"[^\u4e00-\u9fff]+")


@pytest.fixture(scope="module")
def folder() -> Path:
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(
            f"{VARIABLE} is not set: the paper's files carry no licence, fetch them with `zhufu data fetch paper`"
        )
    path = Path(named)
    assert path.is_dir(), f"{VARIABLE} names {named}, which is no folder"
    return path


def files(folder: Path, *patterns: str) -> list[Path]:
    found = sorted(path for pattern in patterns for path in folder.rglob(pattern))
    assert found, f"{folder} holds no {' or '.join(patterns)}"
    return found


def raw_json(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    if text.startswith("["):
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    return [json.loads(line) for line in text.split("\n") if line]


def assert_nothing_is_lost(loaded: Loaded[Record], rows: int, skipped: Iterable[int], reason: str) -> None:
    assert [left_out.row for left_out in loaded.skipped] == list(skipped)
    assert {left_out.reason for left_out in loaded.skipped} <= {reason}
    assert len(loaded.records) + len(loaded.skipped) == rows


def test_ranking_files_give_every_pair_but_those_of_equal_texts(folder: Path) -> None:
    for path in files(folder, "reward_data_*.json"):
        rows = raw_json(path)
        same = [n for n, row in enumerate(rows, start=1) if row["chosen"]["value"] == row["rejected"]["value"]]
        pairs = load_pairs(path)
        assert_nothing_is_lost(pairs, len(rows), same, SAME_TEXT)
        assert_nothing_is_lost(load_examples(path), len(rows), same, SAME_TEXT)
        assert load_prompts(path).records == [row["conversations"][-1]["value"] for row in rows]
        kept = [row for row in rows if row["chosen"]["value"] != row["rejected"]["value"]]
        assert [pair.rejected for pair in pairs.records] == [row["rejected"]["value"] for row in kept]
        assert len(same) < len(rows) / 100


def test_alpaca_files_give_every_example(folder: Path) -> None:
    for path in files(folder, "sft_data.json"):
        rows = raw_json(path)
        examples = load_examples(path)
        assert_nothing_is_lost(examples, len(rows), [], "")
        assert [example.completion for example in examples.records] == [row["output"] for row in rows]
        assert load_prompts(path).records == [row["instruction"] for row in rows]
        with pytest.raises(InvalidData, match="preference pairs cannot be made of that"):
            load_pairs(path)


def test_labelled_files_give_the_good_ones_as_examples_and_all_prompts(folder: Path) -> None:
    for path in files(folder, "evaluate_data*.json"):
        rows = raw_json(path)
        bad = [n for n, row in enumerate(rows, start=1) if row["label"] == 0]
        assert_nothing_is_lost(load_examples(path), len(rows), bad, LABEL_ZERO)
        assert load_prompts(path).records == [row["query"] for row in rows]
        with pytest.raises(InvalidData, match="preference pairs cannot be made of that"):
            load_pairs(path)


def test_verl_files_give_every_prompt_with_the_prefix_or_without(folder: Path) -> None:
    for path in files(folder, "*.parquet"):
        rows = pq.read_metadata(path).num_rows
        whole = load_prompts(path, strip_prefix=False)
        assert_nothing_is_lost(whole, rows, [], "")
        assert all(prompt.startswith(PROMPT_PREFIX) for prompt in whole.records)
        assert load_prompts(path).records == [prompt[len(PROMPT_PREFIX) :] for prompt in whole.records]


def test_the_list_of_queries_gives_every_line(folder: Path) -> None:
    for path in files(folder, "random_query.txt"):
        lines = path.read_bytes().decode().split("\n")
        assert load_prompts(path).records == [line for line in lines if line]


def test_no_sentence_of_the_paper_is_in_the_starter_set(folder: Path) -> None:
    def runs(text: str) -> set[str]:
        characters = NOT_CHINESE.sub("", text)
        return {
            characters[start : start + COPIED_CHARACTERS] for start in range(len(characters) - COPIED_CHARACTERS + 1)
        }

    texts = [load_prompts(path).records for path in files(folder, "*.parquet", "*.txt", "*.json")]
    for path in files(folder, "*.json"):
        for row in raw_json(path):
            turns = [value["value"] for value in row.values() if isinstance(value, dict)]
            texts.append([*turns, *(value for value in row.values() if isinstance(value, str))])
    published = set().union(*(runs(text) for group in texts for text in group))
    assert len(published) > 100_000
    for split in SPLITS:
        for pair in load_starter(split):
            for text in (pair.prompt, pair.chosen, pair.rejected):
                assert not runs(text) & published, f"{pair.id} holds a passage of the published data"
