"""Running ``zhufu`` within this process, or as a process of its own."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.trainer.scripted_reward import ONE_THREAD
from tests.support.processes import Process
from trainer import cli

PROCESS_SECONDS = 150.0
"""Within this a training of a few steps is done; the machine may be busy with other things."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


class Zhufu:
    """Runs the command here: the libraries are loaded already, which takes longer than a small training."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["zhufu", *map(str, arguments)])
        self._monkeypatch.setenv("COLUMNS", "200")
        self._capsys.readouterr()
        status: object = 0
        try:
            cli.main()
        except SystemExit as ended:
            status = ended.code or 0
        out, err = self._capsys.readouterr()
        assert isinstance(status, int)
        return Ended(status, out, err)


def zhufu_process(output: Path, *arguments: object, kill_at_step: int | None = None) -> Process:
    """The command as a process; with ``kill_at_step`` it kills itself as ``kill -9`` would when that step is done."""
    module = ["-m", "trainer.cli"]
    if kill_at_step is not None:
        module = ["-m", "tests.integration.trainer.killed_command", str(kill_at_step)]
    return Process([sys.executable, *module, *map(str, arguments)], output, {**ONE_THREAD, "COLUMNS": "200"})


def wait_while_it_runs(process: Process, condition: Callable[[], bool] = lambda: False) -> bool:
    """Wait until a condition holds or the process has ended; returns whether it runs still."""
    deadline = time.monotonic() + PROCESS_SECONDS
    while process.running and not condition():
        assert time.monotonic() < deadline, process.printed()[-3000:]
        time.sleep(0.02)
    return process.running
