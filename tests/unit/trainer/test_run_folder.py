from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainer.run_folder import HALF_WRITTEN, RunFolderError, open_run_folder, write_whole


def opened(output: Path, *, resume: bool = False, **settings: Any) -> bool:
    return open_run_folder(output, command="test", settings=settings, resume=resume, versions_of=("zhufu",))


def test_a_folder_tells_what_was_asked_for(tmp_path: Path) -> None:
    assert not opened(tmp_path / "run", seed=1)

    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert (record["command"], record["settings"]) == ("test", {"seed": 1})
    assert "zhufu" in record["versions"]


def test_a_run_goes_on_with_the_same_settings_only(tmp_path: Path) -> None:
    opened(tmp_path, seed=1)

    assert opened(tmp_path, seed=1, resume=True)
    with pytest.raises(RunFolderError, match="other settings"):
        opened(tmp_path, seed=2, resume=True)
    with pytest.raises(RunFolderError, match="holds a run already"):
        opened(tmp_path, seed=1)


def test_what_a_killed_process_left_half_written_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / f"{HALF_WRITTEN}abc").write_text("{", encoding="utf-8")

    assert not opened(tmp_path, seed=1)


def test_other_files_do(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(RunFolderError, match="not empty and holds no run"):
        opened(tmp_path)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "one")
    write_whole(tmp_path / "a.txt", "two")

    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "two"
