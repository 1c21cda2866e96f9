"""Parts of what a model writes: whole ones count, half of one is cut off, and who changed is not taken for the same."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest
from rich.console import Console

from shared.errors import InvalidData
from tests.unit.trainer.evaluation.policies.made import written
from trainer.evaluation.policies.generation import (
    PARTS,
    RECORD,
    SAMPLES,
    SAMPLES_AT_ONCE,
    Generation,
    part_seed,
    samples_of,
)
from trainer.evaluation.policies.models import NamedModel
from trainer.evaluation.policies.samples import PolicySample, read_samples, write_samples
from trainer.run_folder import RunFolderError, write_json
from trainer.sampling.prompts import Prompt

GENERATION = Generation(samples=2, max_tokens=8, temperature=1.0, top_p=1.0, prompt_prefix="", seed=0)
PROMPTS = [Prompt(1, "贺新居"), Prompt(2, "贺新婚")]


def samples_from(model: NamedModel, folder: Path, told: list[str] | None = None) -> list[PolicySample]:
    said: list[str] = [] if told is None else told
    return samples_of(model, PROMPTS, GENERATION, folder, Console(quiet=True), said.append)


def parts_file(folder: Path, model: NamedModel, text: str) -> None:
    """What a process leaves behind that was killed while it wrote."""
    folder.mkdir()
    write_json(folder / RECORD, model.describe())
    (folder / PARTS).write_text(text, encoding="utf-8")


def whole_part(number: int = 0) -> str:
    samples = [sample.model_dump() for sample in written("p", [["一", "二"], ["三", "四"]]).samples]
    return json.dumps({"part": number, "samples": samples}) + "\n"


def test_parts_that_are_all_there_need_no_model(tmp_path: Path) -> None:
    assert SAMPLES_AT_ONCE >= 4, "the four samples are one part"
    model = NamedModel("p", str(tmp_path / "no-model"))
    parts_file(tmp_path / "p", model, whole_part() + '{"part": 1, "sam')
    samples = samples_from(model, tmp_path / "p")
    assert [sample.completion for sample in samples] == ["一", "二", "三", "四"]
    assert read_samples(tmp_path / "p" / SAMPLES) == samples
    assert not (tmp_path / "p" / PARTS).exists()


@pytest.mark.parametrize("text", ['{"part": 0}\n', "nonsense\n", whole_part(1), whole_part(0) + whole_part(1)])
def test_what_no_run_wrote_is_refused(tmp_path: Path, text: str) -> None:
    model = NamedModel("p", str(tmp_path / "no-model"))
    parts_file(tmp_path / "p", model, text)
    with pytest.raises(InvalidData, match=PARTS):
        samples_from(model, tmp_path / "p")


def test_two_processes_do_not_write_the_same_samples(tmp_path: Path) -> None:
    model = NamedModel("p", str(tmp_path / "no-model"))
    parts_file(tmp_path / "p", model, whole_part())
    with (tmp_path / "p" / PARTS).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunFolderError, match="is being written by another process"):
            samples_from(model, tmp_path / "p")


def test_without_a_model_there_is_an_error_with_words(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="neither a model folder nor to be had from a hub"):
        samples_from(NamedModel("p", str(tmp_path / "no-model")), tmp_path / "p")


def test_completions_of_a_file_are_taken_once_and_what_is_missing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "written.jsonl"
    path.write_text('{"prompt": "贺新婚", "completion": "百年好合"}\n{"prompt": "别的", "completion": "好"}\n')
    told: list[str] = []
    first = samples_from(NamedModel("p", str(path)), tmp_path / "p", told)
    assert [sample.completion for sample in first] == ["百年好合"]
    assert told == [
        "p: 1 prompts have no completion there",
        "p: 1 completions are missing: not all other prompts have 2 there",
        "p: 1 completions are for prompts that are not evaluated",
    ]
    assert samples_from(NamedModel("p", str(path)), tmp_path / "p", told) == first
    assert len(told) == 3


def test_another_model_under_the_same_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "written.jsonl"
    path.write_text('{"prompt": "贺新婚", "completion": "百年好合"}\n')
    samples_from(NamedModel("p", str(path)), tmp_path / "p")
    path.write_text('{"prompt": "贺新婚", "completion": "永结同心"}\n')
    with pytest.raises(RunFolderError, match="another model"):
        samples_from(NamedModel("p", str(path)), tmp_path / "p")


def test_samples_come_back_from_a_file_as_they_were(tmp_path: Path) -> None:
    samples = list(written("p", [["一\n二", "三\u2028四"], ["", '"=1+1']]).samples)
    write_samples(tmp_path / SAMPLES, samples)
    assert read_samples(tmp_path / SAMPLES) == samples
    (tmp_path / SAMPLES).write_text('{"id": "row-1/0"}\n')
    with pytest.raises(InvalidData, match="row 1: not a sample"):
        read_samples(tmp_path / SAMPLES)
    with pytest.raises(InvalidData, match="cannot be read"):
        read_samples(tmp_path / "nowhere.jsonl")


def test_each_part_has_random_numbers_of_its_own() -> None:
    seeds = {part_seed(seed, part) for seed in (0, 1, 2) for part in range(100)}
    assert len(seeds) == 300
    assert all(0 <= seed < 1 << 32 for seed in (part_seed(2**40, 3), part_seed(0, 0)))
