"""Every format gives entries, and what is written of them is read again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from shared.errors import InvalidData
from trainer.data.entries import Completion, read_source, record_of
from trainer.data.formats import PROMPT_PREFIX
from trainer.data.starter import SHA256

PAIR: dict[str, object] = {"prompt": "给外婆", "chosen": "外婆安康", "rejected": "祝好"}


def write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("kind", "row", "completions"),
    [
        ("pairs", PAIR, (Completion("外婆安康", 1), Completion("祝好", 0))),
        (
            "pairs",
            {
                "conversations": [{"from": "human", "value": "给外婆"}],
                "chosen": {"from": "gpt", "value": "外婆安康"},
                "rejected": {"from": "gpt", "value": "祝好"},
            },
            (Completion("外婆安康", 1), Completion("祝好", 0)),
        ),
        ("labelled", {"query": "给外婆", "response": "祝好", "label": 0}, (Completion("祝好", 0),)),
        ("examples", {"prompt": "给外婆", "completion": "祝好"}, (Completion("祝好", None),)),
        ("examples", {"instruction": "给外婆", "input": "", "output": "祝好"}, (Completion("祝好", None),)),
        ("prompts", {"prompt": "给外婆"}, ()),
    ],
)
def test_each_format_is_read_and_its_record_is_read_again(
    tmp_path: Path, kind: str, row: dict[str, object], completions: tuple[Completion, ...]
) -> None:
    name = write(tmp_path / "rows.jsonl", [row])
    source = read_source(name)
    (entry,) = source.entries
    assert (source.kind, entry.row, entry.prompt, entry.completions) == (kind, 1, "给外婆", completions)
    assert source.sha256 == hashlib.sha256(Path(name).read_bytes()).hexdigest()
    again = read_source(write(tmp_path / "again.jsonl", [record_of(source.kind, entry)]))
    assert (again.kind, again.entries[0].key) == (source.kind, entry.key)


def test_starter_splits_and_the_warm_up_are_sources() -> None:
    pairs, warm_up = read_source("starter:validation"), read_source("starter:warm-up")
    assert (pairs.kind, len(pairs.entries), pairs.sha256) == ("pairs", 96, SHA256["validation"])
    assert (warm_up.kind, len(warm_up.entries)) == ("examples", 8_320)
    with pytest.raises(InvalidData, match="no such split"):
        read_source("starter:held-out")


def test_a_pair_of_equal_texts_is_an_entry_that_prefers_nothing(tmp_path: Path) -> None:
    same = PAIR | {"rejected": PAIR["chosen"]}
    entries = read_source(write(tmp_path / "pairs.jsonl", [PAIR, same])).entries
    assert [entry.prefers_nothing for entry in entries] == [False, True]


def test_a_prompt_is_compared_without_the_papers_prefix_and_kept_with_it(tmp_path: Path) -> None:
    entries = read_source(
        write(tmp_path / "prompts.jsonl", [{"prompt": f"{PROMPT_PREFIX}给 外婆"}, {"prompt": "给外婆"}])
    ).entries
    assert entries[0].key == entries[1].key
    assert entries[0].prompt.startswith(PROMPT_PREFIX)


def test_rows_that_no_loader_takes_are_named_or_refused(tmp_path: Path) -> None:
    name = write(tmp_path / "pairs.jsonl", [PAIR, PAIR | {"chosen": " "}, PAIR])
    source = read_source(name, strict=False)
    assert [entry.row for entry in source.entries] == [1, 3]
    assert [(each.row, each.reason) for each in source.refused] == [(2, "field 'chosen' is empty")]
    with pytest.raises(InvalidData, match="row 2: field 'chosen' is empty"):
        read_source(name)


def test_a_source_without_a_row_in_order_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="row 1: no row is in order: field 'chosen' is empty"):
        read_source(write(tmp_path / "pairs.jsonl", [PAIR | {"chosen": ""}]), strict=False)
