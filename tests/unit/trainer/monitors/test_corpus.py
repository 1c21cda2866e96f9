"""Copying from a corpus, and where a corpus comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.errors import InvalidData
from tests.unit.trainer.monitors.made import GREETINGS, levels, measured, scored
from trainer.data.starter import load_starter
from trainer.evaluation.policies.copying import KnownTexts
from trainer.monitors.corpus import Copying, corpus_texts, greetings_in
from trainer.monitors.options import DEFAULT
from trainer.monitors.watch import Watch

OWN = ("门前的桂花开了，给你留了一枝。", "听说你升职了，今晚的面我多加一个蛋。")


def test_a_policy_that_copies_is_seen_and_one_that_writes_is_not() -> None:
    monitor = Copying(KnownTexts(GREETINGS))
    assert measured(monitor, scored(GREETINGS)) == 1.0
    assert measured(monitor, scored(OWN)) == 0.0
    assert measured(monitor, scored([*GREETINGS[:1], *OWN[:1]])) == 0.5


def test_what_is_copied_in_part_counts_in_part() -> None:
    monitor = Copying(KnownTexts(GREETINGS))
    half = GREETINGS[0][:18]
    share = measured(monitor, scored([half + "，" + "".join(chr(0x5000 + number) for number in range(17))]))
    assert share == pytest.approx(0.5, abs=0.01)


def test_a_policy_that_learns_to_copy_is_warned_of_by_default() -> None:
    monitor = Copying(KnownTexts(GREETINGS))
    shares = [measured(monitor, scored([*GREETINGS[:copied], *(OWN * 2)[: 4 - copied]])) for copied in (0, 1, 2, 3, 4)]
    told = levels(Watch(monitor, DEFAULT["copying"]), [share for share in shares for _ in range(10)], monitor.figure)
    assert [told[last] for last in (9, 19, 29, 39, 49)] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "贺新居", "completion": OWN[0]},
        {"prompt": "贺新居", "response": OWN[0], "click_num": 3},
        {"prompt": "贺新居", "chosen": OWN[0], "engagement": 1.5},
        {"prompt": "贺新居", "chosen": OWN[0], "rejected": OWN[1]},
        {"query": "贺新居", "response": OWN[0], "label": 1},
        {"instruction": "贺新居", "input": "", "output": OWN[0]},
    ],
)
@pytest.mark.parametrize("as_list", [True, False])
def test_a_corpus_is_that_of_retrieval_or_data_that_train(
    row: dict[str, object], as_list: bool, tmp_path: Path
) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text(json.dumps([row] if as_list else row, ensure_ascii=False), encoding="utf-8")
    assert corpus_texts([str(path)]) == [OWN[0]]
    assert corpus_texts([str(path), str(path)]) == [OWN[0]] * 2


def test_the_starter_set_is_a_corpus_of_its_good_greetings() -> None:
    chosen = [pair.chosen for pair in load_starter("test")]
    assert corpus_texts(["starter:test"]) == greetings_in("starter:test") == chosen
    assert set(greetings_in("starter:warm-up")) == {pair.chosen for pair in load_starter("train")}


@pytest.mark.parametrize(
    ("name", "text"), [("prompts.txt", "贺新居\n"), ("prompts.jsonl", '{"prompt": "贺新居"}\n'), ("empty.jsonl", "")]
)
def test_prompts_are_no_corpus(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidData):
        corpus_texts([str(tmp_path / name)])


def test_data_of_prompts_alone_has_no_greetings_and_that_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("贺新居\n", encoding="utf-8")
    assert greetings_in(str(tmp_path / "prompts.txt")) == []
    (tmp_path / "mixed.jsonl").write_text(
        '{"prompt": "贺新居", "chosen": "好", "rejected": "坏"}\n{"prompt": "贺新婚", "chosen": "好"}\n',
        encoding="utf-8",
    )
    assert greetings_in(str(tmp_path / "mixed.jsonl")) == ["好"]


def test_a_corpus_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidData):
        corpus_texts([str(tmp_path / "nowhere.jsonl")])
