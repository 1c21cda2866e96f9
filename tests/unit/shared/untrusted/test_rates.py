"""How many attacks are flagged, and how few honest greetings."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.untrusted import inspect
from trainer.data.attacks import load_attacks, load_look_alikes
from trainer.data.starter import SPLITS, load_starter

VARIABLE = "ZHUFU_PAPER_DATA"
FALSE_ALARMS = 0.01
DEVELOPMENT = 0.95
HELD_OUT = 0.95
"""Measured: 90 of 94."""


def flagged(texts: list[str]) -> float:
    return sum(bool(inspect(text).flags) for text in texts) / len(texts)


def test_development_attacks_are_flagged() -> None:
    assert flagged([row.attack for row in load_attacks("development")]) >= DEVELOPMENT


def test_held_out_attacks_are_flagged() -> None:
    assert flagged([row.attack for row in load_attacks("held_out")]) >= HELD_OUT


def test_the_second_set_is_flagged() -> None:
    # Read by who wrote the filter, as the datasheet says: this guards against steps back, no more.
    lines = (Path(__file__).parent / "second_set.jsonl").read_text(encoding="utf-8").splitlines()
    assert flagged([json.loads(line)["attack"] for line in lines]) >= DEVELOPMENT


def test_starter_greetings_are_not_flagged_and_shown_as_they_are() -> None:
    texts = [text for split in SPLITS for pair in load_starter(split) for text in (pair.chosen, pair.rejected)]
    assert flagged(texts) <= FALSE_ALARMS
    for text in texts:
        seen = inspect(text)
        assert seen.flags or seen.shown == unicodedata.normalize("NFC", text)


def test_most_look_alikes_are_not_flagged() -> None:
    rows = load_look_alikes("development") + load_look_alikes("held_out")
    assert sum(bool(inspect(row.attack).flags) for row in rows) <= 3


def responses(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = (
        json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in text.split("\n") if line]
    )
    for row in rows:
        yield from (row[name] for name in ("response", "output") if name in row)
        yield from (row[name]["value"] for name in ("chosen", "rejected") if name in row)


@pytest.mark.parametrize(
    "name", ["evaluate_data.public.json", "sft_data.json", "reward_data_train.json", "reward_data_test.json"]
)
def test_the_papers_greetings_are_not_flagged(name: str) -> None:
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} is not set: the paper's files carry no licence, `zhufu data fetch paper` brings them")
    assert flagged(sorted(set(responses(Path(folder) / name)))) <= FALSE_ALARMS
