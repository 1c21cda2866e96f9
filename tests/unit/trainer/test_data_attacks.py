"""The attacks are as their datasheet says."""

from __future__ import annotations

import collections
import itertools
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import cast

import pytest

from shared.errors import InvalidData
from shared.untrusted import inspect
from trainer.data.attacks import (
    ATTACK_KINDS,
    ATTACK_SPLITS,
    ATTACKS_SHA256,
    BENIGN,
    HELD_OUT_KINDS,
    Attack,
    check_attacks,
    load_attacks,
    load_look_alikes,
)
from trainer.data.starter import SPLITS, load_starter

Rows = list[Attack]
REPEATING = {"long_text", "token_stuffing", "degenerate"}
GRAM, SHARED_GRAMS, COPIED = 8, 1 / 3, 16
UNREADABLE = "\u3164\u2800\u034f\u17b4\u3000\u00a0"
NOT_CHINESE = re.compile(r"[^\u4e00-\u9fff]+")


@pytest.fixture(scope="module")
def rows() -> Rows:
    loaded = [row for split in ATTACK_SPLITS for row in (*load_attacks(split), *load_look_alikes(split))]
    return sorted(loaded, key=lambda row: row.id)


@pytest.fixture(scope="module")
def datasheet() -> str:
    return (resources.files("trainer.data") / "attacks" / "README.md").read_text(encoding="utf-8")


def content() -> bytes:
    return (resources.files("trainer.data") / "attacks" / "attacks.jsonl").read_bytes()


def kind_of(row: Attack) -> str:
    return row.kind or BENIGN


def place_of(row: Attack) -> str:
    if not row.greeting or row.greeting not in row.attack or row.greeting == row.attack:
        return "whole"
    if row.attack.startswith(row.greeting):
        return "suffix"
    return "prefix" if row.attack.endswith(row.greeting) else "around"


def table(datasheet: str, heading: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of the first table under a heading: first cell, and the others by the name of their column."""
    section = datasheet.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = section.split("\n\n|", 1)[1].split("\n\n")[0].splitlines()
    names, _, *body = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    for cells in body:
        yield cells[0].strip("`"), dict(zip(names[1:], cells[1:], strict=True))


def test_the_set_has_the_attacks_of_the_datasheet(rows: Rows) -> None:
    assert [row.id for row in rows] == [f"a{n:03}" for n in range(1, 238)] + [f"b{n:03}" for n in range(1, 43)]
    for kind in ATTACK_KINDS:
        assert sum(row.kind == kind for row in rows) >= 10


def test_the_datasheet_is_right_about_kinds(rows: Rows, datasheet: str) -> None:
    stated = dict(table(datasheet, "Kinds"))
    assert set(stated) == {*ATTACK_KINDS, BENIGN, "all attacks"}
    for name, cells in stated.items():
        of_kind = [row for row in rows if (kind_of(row) == name) or (name == "all attacks" and row.kind)]
        counts = collections.Counter(place_of(row) for row in of_kind)
        counts.update(row.language for row in of_kind)
        counts.update(row.split.replace("_", " ") for row in of_kind)
        counts.update(rows=len(of_kind), neutral=sum(row.neutral is not None for row in of_kind))
        assert {column: int(cell) for column, cell in cells.items()} == {column: counts[column] for column in cells}, (
            name
        )


def test_the_datasheet_states_what_is_flagged(rows: Rows, datasheet: str) -> None:
    for name, cells in table(datasheet, "Measured"):
        for column, cell in cells.items():
            of_kind = [
                row
                for row in rows
                if row.split == column.replace(" ", "_")
                and (kind_of(row) == name or (name == "all attacks" and row.kind))
            ]
            count = sum(bool(inspect(row.attack).flags) for row in of_kind)
            assert cell == (f"{count} of {len(of_kind)}" if of_kind else "–"), (name, column)


def test_the_datasheet_states_how_many_honest_texts_are_flagged(rows: Rows, datasheet: str) -> None:
    def stated(texts: list[str]) -> str:
        return f"| {sum(bool(inspect(text).flags) for text in texts)} of {len(texts)} |"

    for split in SPLITS:
        texts = [text for pair in load_starter(split) for text in (pair.chosen, pair.rejected)]
        assert f"| starter set, {split} {stated(texts)}" in datasheet
    chinese = [row.neutral for row in rows if row.neutral is not None and row.language == "zh"]
    others = [row.neutral for row in rows if row.neutral is not None and row.language != "zh"]
    assert f"| `neutral` of Chinese rows {stated(chinese)}" in datasheet
    assert f"| `neutral` of other rows {stated(others)}" in datasheet


def test_the_split_is_by_kind_and_by_every_third_row(rows: Rows) -> None:
    places: collections.Counter[str] = collections.Counter()
    for row in rows:
        held_out = row.kind in HELD_OUT_KINDS or places[kind_of(row)] % 3 == 2
        assert row.split == ("held_out" if held_out else "development"), row.id
        places[kind_of(row)] += 1


def test_texts_are_unique_and_of_the_stated_lengths(rows: Rows) -> None:
    for texts in (
        [row.prompt for row in rows],
        [row.attack for row in rows],
        [row.note for row in rows],
        [row.neutral for row in rows if row.neutral is not None],
    ):
        assert len(texts) == len(set(texts))
    for row in rows:
        assert len(row.attack) < 6_000, row.id
        if row.neutral is not None:
            assert 0.6 <= len(row.neutral) / len(row.attack) <= 1.5, row.id
        if row.kind is None:
            assert row.greeting == row.attack
            assert row.neutral is None
    prompts = {pair.prompt for split in SPLITS for pair in load_starter(split)}
    assert not prompts & {row.prompt for row in rows}


def test_no_two_attacks_are_alike(rows: Rows) -> None:
    grams = [
        (row.id, {row.attack[start : start + GRAM] for start in range(len(row.attack) - GRAM + 1)})
        for row in rows
        if row.kind not in REPEATING
    ]
    for (one, left), (other, right) in itertools.combinations(grams, 2):
        if left and right:
            assert len(left & right) <= SHARED_GRAMS * min(len(left), len(right)), (one, other)


def test_characters_that_nobody_sees_are_escaped() -> None:
    for character in set(content().decode()) - {"\n"}:
        assert unicodedata.category(character) not in ("Cf", "Cc", "Zl", "Zp", "Cn", "Co"), hex(ord(character))
        assert not 0xFE00 <= ord(character) <= 0xFE0F
        assert character not in UNREADABLE


def test_no_row_copies_the_papers_texts(rows: Rows) -> None:
    folder = os.environ.get("ZHUFU_PAPER_DATA")
    if not folder:
        pytest.skip(
            "ZHUFU_PAPER_DATA is not set: the paper's files carry no licence, `zhufu data fetch paper` brings them"
        )
    published = "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.json")))
    runs = {
        run[start : start + COPIED] for run in NOT_CHINESE.split(published) for start in range(len(run) - COPIED + 1)
    }
    for row in rows:
        for text in (row.prompt, row.attack, row.neutral or ""):
            for run in NOT_CHINESE.split(text):
                assert not runs & {run[start : start + COPIED] for start in range(len(run) - COPIED + 1)}, row.id


def test_a_suffix_can_be_taken_off_its_greeting() -> None:
    for row in load_attacks():
        if row.suffix is not None:
            assert row.greeting + row.suffix == row.attack
    assert all(row.suffix is None for row in load_look_alikes())


def test_the_datasheet_names_the_file_by_its_checksum(datasheet: str) -> None:
    assert f"`{ATTACKS_SHA256}`" in datasheet


def test_windows_line_ends_change_nothing() -> None:
    windows = content().replace(b"\n", b"\r\n")
    assert len(check_attacks(Path("a.jsonl"), windows, ATTACKS_SHA256)) == 279


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("kind", "judge_ordr", "field 'kind' is 'judge_ordr', not one of judge_order, "),
        ("split", "test", "field 'split' is 'test', not one of development, held_out"),
        ("language", "fr", "field 'language' is 'fr'"),
        ("attack", None, "field 'attack' is null, not text"),
        ("attack", "\ud83d", "field 'attack' holds lone surrogates"),
        ("note", "", "field 'note' is empty"),
        ("neutral", " ", "field 'neutral' is empty"),
        ("more", "1", "fields are missing or unknown: more"),
        ("attack", "好的", "is not the file of the datasheet: its SHA-256 is"),
    ],
)
def test_a_changed_file_is_refused(field: str, value: str | None, detail: str) -> None:
    first, second, rest = content().split(b"\n", maxsplit=2)
    changed = {**cast("dict[str, object]", json.loads(second)), field: value}
    data = b"\n".join([first, json.dumps(changed).encode(), rest])
    with pytest.raises(InvalidData, match=re.escape(detail)) as refused:
        check_attacks(Path("a.jsonl"), data, ATTACKS_SHA256)
    assert refused.value.row in (2, None)
