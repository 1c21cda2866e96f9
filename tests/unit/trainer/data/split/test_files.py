"""The folder of a split: read by our loaders, whole or not there, never another's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.unit.trainer.data.split.made import Maker
from trainer.data.formats import load_examples, load_pairs, load_prompts
from trainer.data.labelled import load_labelled
from trainer.data.split.files import LEFT_OUT, RECORD, write_split
from trainer.data.split.job import Split, SplitJob, make_split
from trainer.run_folder import HALF_WRITTEN, RunFolderError


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@pytest.fixture
def split(make: Maker) -> Split:
    rows = make.pairs(60)
    return make_split(SplitJob(data=(make.file(rows),), exclude=(make.file(rows[:2], "x.jsonl"),)))


def test_every_part_is_read_again_by_the_loader_of_its_kind(make: Maker, tmp_path: Path) -> None:
    pairs = make_split(SplitJob(data=(make.file(make.pairs(60)),)))
    write_split(pairs, tmp_path / "pairs")
    for name, rows in pairs.parts.items():
        read = load_pairs(tmp_path / "pairs" / f"{name}.jsonl").records
        assert [(row.prompt, row.chosen, row.rejected) for row in read] == [
            (row.prompt, *(each.text for each in row.completions)) for row in rows
        ]
    labelled = make_split(SplitJob(data=(make.file(make.labelled(60), "l.jsonl"),)))
    write_split(labelled, tmp_path / "labelled")
    read_labelled = load_labelled(str(tmp_path / "labelled" / "train.jsonl"))
    assert [(row.completion, row.label) for row in read_labelled] == [
        (row.completions[0].text, row.completions[0].label) for row in labelled.parts["train"]
    ]
    lines: list[dict[str, object]] = [{"prompt": make.text(9), "completion": make.text(20)} for _ in range(20)]
    write_split(make_split(SplitJob(data=(make.file(lines, "e.jsonl"),))), tmp_path / "examples")
    assert len(load_examples(tmp_path / "examples" / "train.jsonl").records) == 16
    prompts: list[dict[str, object]] = [{"prompt": make.text(9)} for _ in range(20)]
    write_split(make_split(SplitJob(data=(make.file(prompts, "p.jsonl"),))), tmp_path / "prompts")
    assert len(load_prompts(tmp_path / "prompts" / "test.jsonl").records) == 2


def test_the_record_names_sources_settings_counts_and_files(split: Split, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert write_split(split, folder) is False
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    data, excluded = record["sources"]
    assert data == {
        "role": "data",
        "name": split.job.data[0],
        "sha256": hashlib.sha256(Path(split.job.data[0]).read_bytes()).hexdigest(),
        "rows": 60,
    }
    assert (excluded["role"], excluded["rows"]) == ("exclude", 2)
    assert record["settings"]["near"] == 0.7
    assert record["parts"]["train"]["rows"] == len(split.parts["train"])
    assert record["groups"] == {"count": 58, "largest": 1}
    assert record["left_out"] == {"text": 2}
    assert {path.name for path in folder.iterdir()} == {RECORD, *record["files"]}
    lines = [json.loads(line) for line in (folder / LEFT_OUT).read_text(encoding="utf-8").splitlines()]
    assert [(line["row"], line["reason"], line["like"]["row"]) for line in lines] == [(1, "text", 1), (2, "text", 2)]


def test_the_same_split_again_leaves_everything_as_it_is(split: Split, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    assert write_split(split, folder) is False
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert write_split(make_split(split.job), folder) is True
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_folder_with_anything_else_is_refused_and_untouched(split: Split, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunFolderError, match="not empty and holds no split"):
        write_split(split, folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    with pytest.raises(RunFolderError, match="is a file"):
        write_split(split, folder / "notes.txt")


def test_another_split_or_changed_files_are_refused(split: Split, make: Maker, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_split(split, folder)
    with pytest.raises(RunFolderError, match="holds another split"):
        write_split(make_split(SplitJob(data=split.job.data, seed=1)), folder)
    with (folder / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(RunFolderError, match="is not what was written there"):
        write_split(split, folder)


def test_what_a_killed_process_left_is_no_hindrance(split: Split, tmp_path: Path) -> None:
    half = tmp_path / f"{HALF_WRITTEN}out"
    half.mkdir()
    (half / "train.jsonl").write_text("half", encoding="utf-8")
    assert write_split(split, tmp_path / "out") is False
    assert not half.exists()
    assert len(load_pairs(tmp_path / "out" / "train.jsonl").records) == len(split.parts["train"])
