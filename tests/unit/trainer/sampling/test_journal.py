"""The journal: on disk before it counts, readable after any kill, and never of two runs at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.schemas import Usage
from tests.unit.trainer.sampling.made import HEADER, USAGE, failed, sample, sampled, without_pair
from trainer.sampling.journal import (
    Journal,
    JournalBroken,
    JournalDiffers,
    JournalExists,
    JournalInUse,
    JournalMissing,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pairs.journal"


def opened(path: Path, *, resume: bool = False, **changes: Any) -> Journal:
    return Journal.open(path, {**HEADER, **changes}, resume=resume)


def code_of(journal: Journal) -> str | None:
    """Why the first prompt failed."""
    failure = journal.entries[0].failure
    return None if failure is None else failure.code


def write(path: Path) -> bytes:
    """A journal of three prompts, each ended otherwise."""
    journal = opened(path)
    journal.append([(1, "row-2", sampled())])
    journal.append([(0, "row-1", failed(usage=USAGE)), (2, "row-3", sampled(without_pair()))])
    journal.close()
    return path.read_bytes()


def test_what_was_appended_is_there_after_opening_again(path: Path) -> None:
    write(path)
    journal = opened(path, resume=True)
    try:
        assert sorted(journal.entries) == [0, 1, 2]
        one = journal.entries[1].choice
        assert one is not None
        assert one.pair is not None
        assert (one.pair.rejected, one.pair.margin) == ("祝好。", 0.5)
        assert journal.entries[0].failure is not None
        assert journal.sample(1) == sample()
        assert journal.sample(2) == without_pair()
        assert journal.paid == Usage(prompt_tokens=90, completion_tokens=36)
        assert (journal.paying, journal.unpriced) == (3, 0)
    finally:
        journal.close()


def test_lines_are_on_the_disk_when_append_returns(path: Path) -> None:
    journal = opened(path)
    for index in range(3):
        journal.append([(index, f"row-{index}", sampled())])
        assert path.read_bytes().count(b"\n") == index + 3
    journal.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(cut=st.integers(min_value=0, max_value=10_000))
def test_a_journal_cut_off_anywhere_keeps_its_whole_lines(path: Path, cut: int) -> None:
    path.unlink(missing_ok=True)
    whole = write(path)
    kept = whole[: cut % len(whole)]
    path.write_bytes(kept)
    journal = opened(path, resume=True)
    journal.append([(9, "row-10", sampled())])
    journal.close()
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    ended = [line["index"] for line in lines if "index" in line]
    assert ended == [*[1, 0, 2][: max(0, kept.count(b"\n") - 2)], 9]
    assert lines[0] == HEADER


def test_the_first_sample_counts_and_otherwise_the_last_failure(path: Path) -> None:
    journal = opened(path)
    journal.append([(0, "row-1", failed("a"))])
    journal.append([(0, "row-1", failed("b"))])
    assert code_of(journal) == "b"
    journal.append([(0, "row-1", sampled(sample(chosen="一")))])
    journal.append([(0, "row-1", sampled(sample(chosen="二"))), (0, "row-1", failed("c"))])
    assert journal.sample(0)["pair"] == sample(chosen="一")["pair"]
    assert code_of(journal) is None
    assert (journal.paying, journal.unpriced) == (2, 3)
    journal.close()


def test_the_seconds_of_all_processes_are_added(path: Path) -> None:
    write(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2:] = [line.replace(b'"seconds": 0.0', b'"seconds": 5.0') for line in lines[2:]]
    path.write_bytes(b"".join([*lines, lines[1], lines[2].replace(b"5.0", b"7.5")]))
    journal = opened(path, resume=True)
    assert 12.4 <= journal.seconds < 60
    journal.close()


def test_a_journal_with_work_in_it_is_not_written_over(path: Path) -> None:
    before = write(path)
    with pytest.raises(JournalExists):
        opened(path)
    assert path.read_bytes() == before


def test_a_journal_without_work_is_begun_anew(path: Path) -> None:
    path.write_text(json.dumps({**HEADER, "options": {}}) + "\n" + '{"begun": "2026-')
    journal = opened(path)
    journal.append([(0, "row-1", sampled())])
    journal.close()
    assert json.loads(path.read_text(encoding="utf-8").split("\n")[0]) == HEADER


def test_a_journal_in_which_nothing_ended_is_removed(path: Path) -> None:
    opened(path).close()
    assert not path.exists()


def test_there_must_be_something_to_resume(path: Path) -> None:
    with pytest.raises(JournalMissing):
        opened(path, resume=True)
    assert not path.exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"options": {"task": "sample", "candidates": 2}}, "candidates was 4 and is 2"),
        ({"options": {"task": "sample"}}, "candidates was 4 and is not given"),
        ({"prompts": {"count": 4, "sha256": "cd"}}, "its prompts are not these"),
    ],
)
def test_other_settings_are_refused_by_name(path: Path, changes: dict[str, Any], says: str) -> None:
    before = write(path)
    with pytest.raises(JournalDiffers) as raised:
        opened(path, resume=True, **changes)
    assert raised.value.detail.endswith(f"is of another run: {says}")
    assert path.read_bytes() == before


def test_another_process_keeps_out(path: Path) -> None:
    journal = opened(path)
    with pytest.raises(JournalInUse):
        opened(path, resume=True)
    journal.append([(0, "row-1", sampled())])
    journal.close()
    opened(path, resume=True).close()


@pytest.mark.parametrize("line", [b"{}", b"nothing", b'{"begun": 1e400}', b'{"index": 5, "id": "row-6", "seconds": 1}'])
def test_a_line_that_no_run_has_written_is_an_error_that_names_it(path: Path, line: bytes) -> None:
    lines = write(path).splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], line + b"\n", *lines[3:]]))
    with pytest.raises(JournalBroken, match=r"line 4: not a line of a journal"):
        opened(path, resume=True)


def test_a_journal_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JournalBroken, match="cannot be written"):
        opened(tmp_path / "none" / "pairs.journal")


def test_a_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    journal = opened(path)
    journal.append([(0, "row-1", sampled())])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(JournalBroken, match="No space left on device"):
        journal.append([(1, "row-2", sampled())])
    assert list(journal.entries) == [0]
    journal.close()
