"""Files in the formats of the paper's release, with texts of our own: the starter set in other clothes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trainer.data.formats import PROMPT_PREFIX
from trainer.data.records import StarterPair
from trainer.data.starter import load_starter
from trainer.reproduce.paper_files import NAMES


def write_release(folder: Path, *, rows: int | None = None, as_published: bool = False) -> Path:
    """Write all files.

    Args:
        folder: Made when missing.
        rows: Of each file at most; all that there are unless given.
        as_published: In the folders of the release, else all in one, the evaluation set as its public half.
    """
    train, validation, test = (load_starter(split)[:rows] for split in ("train", "validation", "test"))
    paths = {part: folder / names[1 if as_published else 0] for part, names in NAMES.items()}
    if not as_published:
        paths["evaluation"] = folder / "evaluate_data.public.json"
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    _write_json(paths["pairs"], [_ranking(pair) for pair in train])
    _write_json(paths["test_pairs"], [_ranking(pair) for pair in test])
    _write_json(paths["examples"], [_alpaca(pair) for pair in train])
    _write_requests(paths["requests"], train)
    _write_requests(paths["held_out_requests"], validation)
    labelled = [row for pair in validation for row in _labelled(pair)]
    paths["evaluation"].write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in labelled))
    queries = [pair.prompt for pair in (*train, *validation, *test)]
    paths["queries"].write_text("".join(f"{query}\n" for query in queries), encoding="utf-8")
    return folder


def _ranking(pair: StarterPair) -> dict[str, Any]:
    return {
        "conversations": [{"from": "human", "value": pair.prompt}],
        "chosen": {"from": "gpt", "value": pair.chosen},
        "rejected": {"from": "gpt", "value": pair.rejected},
    }


def _alpaca(pair: StarterPair) -> dict[str, str]:
    return {"instruction": pair.prompt, "input": "", "output": pair.chosen}


def _labelled(pair: StarterPair) -> list[dict[str, Any]]:
    return [
        {"query": pair.prompt, "response": pair.chosen, "label": 1},
        {"query": pair.prompt, "response": pair.rejected, "label": 0},
    ]


def _write_json(path: Path, rows: Sequence[Any]) -> None:
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")


def _write_requests(path: Path, pairs: Sequence[StarterPair]) -> None:
    turns = [[{"content": PROMPT_PREFIX + pair.prompt, "role": "user"}] for pair in pairs]
    pq.write_table(pa.table({"prompt": turns}), path)
