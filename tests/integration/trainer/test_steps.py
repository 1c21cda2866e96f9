"""Steps in real processes: killed at every place, and gone on with."""

from __future__ import annotations

import itertools
import json
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.trainer.counting_step import END, UNITS
from tests.integration.trainer.steps_process import NAMES
from tests.support.processes import Process
from tests.support.waiting import until
from trainer.steps.errors import FolderInUse
from trainer.steps.lock import FolderLock
from trainer.steps.runner import INTERRUPTED

SECONDS = 60.0


def runner(folder: Path) -> Process:
    command = [sys.executable, "-m", "tests.integration.trainer.steps_process", str(folder)]
    return Process(command, folder.with_suffix(".out"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


def units(folder: Path) -> list[str]:
    return (folder / "units").read_text().splitlines()


def record(folder: Path, name: str) -> dict[str, object]:
    return dict(json.loads((folder / "steps" / f"{name}.json").read_text()))


def seconds(folder: Path, name: str) -> float:
    path = folder / "steps" / f"{name}.json"
    return float(json.loads(path.read_text())["seconds"]) if path.exists() else 0.0


def test_whatever_is_killed_and_whenever_the_same_call_goes_on_and_repeats_nothing(folder: Path) -> None:
    kills = [(name, *kill) for name in NAMES for kill in (("1", "step"), ("2", "runner"), (END, "runner"))]
    for name, unit, who in kills:
        (folder / "kill").write_text(f"{name} {unit} {who}")
        process = runner(folder)
        status = process.wait(SECONDS)
        assert status == (1 if who == "step" else -signal.SIGKILL), process.printed()
        assert not (folder / "kill").exists()
    last = runner(folder)
    assert last.wait(SECONDS) == 0, last.printed()

    assert units(folder) == [f"{name} {unit}" for name, unit in itertools.product(NAMES, range(UNITS))]
    assert not (folder / "overlap").exists(), "a step began while one of a killed run was still there"
    assert "step_failed: a: signal SIGKILL; the end of" in last.printed()
    assert [record(folder, name)["attempts"] for name in NAMES] == [3, 3, 3], "the one killed at its end is done"
    assert all(record(folder, name)["done"] for name in NAMES)


def test_a_step_that_outlives_its_runner_is_waited_for(folder: Path) -> None:
    (folder / "kill").write_text("a 1 slow-runner")
    assert runner(folder).wait(SECONDS) == -signal.SIGKILL
    again = runner(folder)
    assert again.wait(SECONDS) == 0, again.printed()
    assert not (folder / "overlap").exists()
    assert len(units(folder)) == len(NAMES) * UNITS


def test_what_is_done_is_passed_over(folder: Path) -> None:
    for _ in range(2):
        process = runner(folder)
        assert process.wait(SECONDS) == 0, process.printed()
    assert len(units(folder)) == len(NAMES) * UNITS
    assert process.printed().count("done before") == len(NAMES)
    for name in NAMES:
        assert record(folder, name)["status"] == 0
        log = (folder / "logs" / f"{name}.log").read_text()
        assert log.startswith(f"$ zhufu {name} "), "a log says what was run"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_ends_the_step_too_and_leaves_nothing_undone(folder: Path, number: signal.Signals) -> None:
    (folder / "kill").write_text("b 1 nobody")
    process = runner(folder)
    await until(lambda: process.running and not (folder / "kill").exists(), "a step holds")
    step = int((folder / "processes").read_text().split()[-1])
    process.send(number)
    assert process.wait(SECONDS) == INTERRUPTED, process.printed()
    assert not psutil.pid_exists(step)
    again = runner(folder)
    assert again.wait(SECONDS) == 0, again.printed()
    assert units(folder) == [f"{name} {unit}" for name, unit in itertools.product(NAMES, range(UNITS))]


async def test_the_time_of_a_killed_attempt_counts(folder: Path) -> None:
    (folder / "kill").write_text("b 1 nobody")
    process = runner(folder)
    await until(lambda: seconds(folder, "b") > 0, "its time is noted")
    process.send(signal.SIGKILL)
    process.wait(SECONDS)
    noted = seconds(folder, "b")
    assert noted > 1
    again = runner(folder)
    assert again.wait(SECONDS) == 0, again.printed()
    assert seconds(folder, "b") > noted


async def test_two_do_not_work_in_one_folder(folder: Path) -> None:
    (folder / "kill").write_text("a 0 nobody")
    first = runner(folder)
    await until(lambda: not (folder / "kill").exists(), "a step holds")
    with pytest.raises(FolderInUse, match="another process works in"), FolderLock(folder, wait_seconds=0):
        pass
    first.kill()
    with FolderLock(folder):
        pass
