from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from trainer.stack import leash
from trainer.stack.process import ManagedProcess, describe

WAIT_SECONDS = 60.0
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
RunPython = Callable[[str], ManagedProcess]


@pytest.fixture
def run_python(tmp_path: Path) -> Iterator[RunPython]:
    """Starts a program on a leash; killed with the test."""
    started: list[ManagedProcess] = []

    def run(program: str) -> ManagedProcess:
        log = tmp_path / f"{len(started)}.log"
        process = ManagedProcess("祝福", "", [sys.executable, "-I", "-c", program], log, os.environ)
        process.start()
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()


def text_of(process: ManagedProcess) -> str:
    assert process.log is not None
    return process.log.read_text()


def says(process: ManagedProcess, text: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while text not in text_of(process):
        assert process.running
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_exit_status_is_the_commands(run_python: RunPython) -> None:
    process = run_python("print('岁岁平安'); raise SystemExit(7)")
    assert process.wait(WAIT_SECONDS)
    assert not process.running
    assert process.ending() == f"status 7; the end of {process.log}:\n岁岁平安"


def test_a_command_that_a_signal_ended_is_told_as_such(run_python: RunPython) -> None:
    process = run_python("import os; os.kill(os.getpid(), 9)")
    assert process.wait(WAIT_SECONDS)
    assert process.ending().startswith("signal SIGKILL;")


def test_sigterm_reaches_the_command(run_python: RunPython) -> None:
    program = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(5)); print('up', flush=True); time.sleep(600)"
    )
    process = run_python(program)
    says(process, "up")
    process.terminate()
    assert process.wait(WAIT_SECONDS)
    assert process.ending().startswith("status 5;")


def test_what_does_not_listen_to_sigterm_is_killed(run_python: RunPython) -> None:
    process = run_python(STUBBORN)
    says(process, "deaf")
    process.terminate()
    assert not process.wait(0.2)
    process.kill()
    assert not process.running
    process.kill()  # a second time does nothing
    assert process.ending().startswith("signal SIGKILL;")


def test_what_a_command_has_started_ends_with_it(run_python: RunPython, tmp_path: Path) -> None:
    program = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)"
    )
    process = run_python(program)
    assert process.wait(WAIT_SECONDS)
    deadline = time.monotonic() + WAIT_SECONDS
    with contextlib.suppress(psutil.NoSuchProcess):
        grandchild = psutil.Process(int(text_of(process)))
        while grandchild.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_command_is_ended_when_its_parent_is_gone() -> None:
    """As where the parent had been killed before the leash could look: it is told a parent that it does not have."""
    command = [sys.executable, "-I", "-S", leash.__file__, "1", "0.2", sys.executable, "-I", "-c", STUBBORN]
    begun = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, start_new_session=True, timeout=WAIT_SECONDS, check=False)
    assert done.returncode == -signal.SIGKILL
    assert time.monotonic() - begun < WAIT_SECONDS


def test_a_process_that_runs_is_not_started_twice(run_python: RunPython) -> None:
    process = run_python(STUBBORN)
    with pytest.raises(RuntimeError, match="running already"):
        process.start()
    with pytest.raises(RuntimeError, match="has not ended"):
        process.ending()


def test_a_process_that_never_ran_has_nothing_to_end(tmp_path: Path) -> None:
    process = ManagedProcess("祝福", "", ["true"], tmp_path / "log", {})
    assert not process.running
    process.terminate()
    process.kill()
    assert process.wait(0)


@pytest.mark.parametrize(
    ("status", "words"), [(0, "status 0"), (1, "status 1"), (143, "signal SIGTERM"), (255, "status 255")]
)
def test_an_exit_status_in_words(status: int, words: str) -> None:
    assert describe(status) == words
