from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import InvalidData
from tests.unit.trainer.steps.made import do, step
from trainer.steps.errors import StepChanged, StepUndone
from trainer.steps.records import StepRecord, StepRecords
from trainer.steps.step import Mark, Step


def note(records: StepRecords, made: Step, *, done: bool = True) -> None:
    records.write(StepRecord(name=made.name, arguments=made.told(), attempts=1, done=done))


def test_a_step_is_done_when_all_that_it_makes_is_there(tmp_path: Path) -> None:
    records = StepRecords(tmp_path)
    made = step(tmp_path, "one", "train", makes=(tmp_path / "one/model",))
    assert not records.is_done(made)
    note(records, made)
    assert not records.is_done(made), "noted, but somebody has removed it"
    do(made)
    assert records.is_done(made)


def test_one_that_came_to_its_end_unnoted_is_done(tmp_path: Path) -> None:
    records, made = StepRecords(tmp_path), step(tmp_path, "one", "train")
    note(records, made, done=False)
    assert not records.is_done(made)
    do(made)
    assert records.is_done(made)


def test_one_that_stopped_at_a_ceiling_is_done_until_another_ceiling_is_given(tmp_path: Path) -> None:
    records = StepRecords(tmp_path)
    summary = Mark(path=tmp_path / "summary.json", key="complete")
    made = step(tmp_path, "one", "sample", "--max-tokens", "5", done=summary)
    summary.path.write_text('{"complete": false}')
    note(records, made)
    assert records.is_done(made)
    assert not records.is_done(step(tmp_path, "one", "sample", "--max-tokens", "9", done=summary))
    summary.path.write_text('{"complete": true}')
    assert records.is_done(made)


@pytest.mark.parametrize("done", [True, False])
def test_one_that_is_done_is_not_taken_for_another(tmp_path: Path, done: bool) -> None:
    records, made = StepRecords(tmp_path), step(tmp_path, "one", "train", "--seed", "1")
    note(records, made, done=done)
    do(made)
    with pytest.raises(StepChanged, match="one is done, and with other arguments than now \\(1 then, 2 now\\)"):
        records.is_done(step(tmp_path, "one", "train", "--seed", "2"))
    with pytest.raises(StepChanged, match="3 of them then, 2 now"):
        records.is_done(step(tmp_path, "one", "train", "--seed"))


def test_what_others_have_used_cannot_be_made_again_unseen(tmp_path: Path) -> None:
    records = StepRecords(tmp_path)
    first = step(tmp_path, "first", makes=(tmp_path / "first/model",))
    second = step(tmp_path, "second", reads=(tmp_path / "first/model",))
    for each in (first, second):
        do(each)
        note(records, each)
    assert records.done_among([first, second]) == {"first", "second"}
    (tmp_path / "first/model").unlink()
    with pytest.raises(StepUndone, match=r"first is to be done \(again\), but second has used .*: remove .*/second"):
        records.done_among([first, second])


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    records, made = StepRecords(tmp_path), step(tmp_path, "one")
    note(records, made)
    (tmp_path / "steps/one.json").write_text("{}")
    with pytest.raises(InvalidData, match=r"steps/one.json: not the record of a step"):
        records.of(made)
