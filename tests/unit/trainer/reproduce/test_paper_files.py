from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.paper_release import write_release
from trainer.reproduce.paper_files import NAMES, PaperDataMissing, find_paper_files


@pytest.mark.parametrize("as_published", [False, True])
def test_every_file_is_found_in_one_folder_and_in_those_of_the_release(tmp_path: Path, as_published: bool) -> None:
    files = find_paper_files(write_release(tmp_path / "paper", rows=2, as_published=as_published))
    assert all(path.is_file() and path.is_absolute() for path in files.all())
    assert files.requests != files.held_out_requests
    assert files.evaluation.name == ("evaluate_data.json" if as_published else "evaluate_data.public.json")


def test_the_whole_evaluation_set_is_taken_before_its_public_half(tmp_path: Path) -> None:
    folder = write_release(tmp_path, rows=2)
    (folder / "evaluate_data.json").write_text("{}")
    assert find_paper_files(folder).evaluation.name == "evaluate_data.json"


def test_all_that_is_missing_is_named_and_how_to_get_it(tmp_path: Path) -> None:
    folder = write_release(tmp_path, rows=2)
    for part in ("pairs", "requests"):
        (folder / NAMES[part][0]).unlink()
    with pytest.raises(PaperDataMissing) as raised:
        find_paper_files(folder)
    assert raised.value.detail.startswith(f"not in {folder}: reward_data_train.json, grpo_train.parquet; ")
    assert "`zhufu data fetch paper --target DIR`" in raised.value.detail


def test_no_folder_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(PaperDataMissing, match=r"are not named; .* ZHUFU_PAPER_DATA"):
        find_paper_files(None)
    with pytest.raises(PaperDataMissing, match="nowhere is no folder"):
        find_paper_files(tmp_path / "nowhere")
