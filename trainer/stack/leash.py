"""Runs a command and ends it when the process that asked for it is gone: ``leash.py PARENT SECONDS COMMAND …``.

A parent that is killed with SIGKILL cannot end its children. The leash can: it asks twice a second whether its own
parent is still the process PARENT; if not, the command gets SIGTERM and, SECONDS later, SIGKILL, and what else is in
its process group with it. It needs no help of the kernel (Linux's PR_SET_PDEATHSIG watches the thread that forked
rather than the process, and macOS has none), and nothing that a fork of the parent could hold open, as a pipe would be.

SIGTERM is passed on to the command; SIGUSR1 kills it. The exit status is the command's, or 128 + N where signal N ended
it. Only the standard library is imported, so that it starts at once and stays small: run it as a file, with
``python -I -S``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

LOOK_SECONDS = 0.5
KILL = signal.SIGUSR1
PASSED_ON = {signal.SIGTERM: signal.SIGTERM, KILL: signal.SIGKILL}


def run(parent: int, grace_seconds: float, command: Sequence[str]) -> int:
    """Run a command for as long as the process ``parent`` is this one's parent; the command's exit status."""
    child: subprocess.Popen[bytes] | None = None
    asked: signal.Signals | None = None

    def pass_on(number: int, _: object) -> None:
        nonlocal asked
        asked = PASSED_ON[signal.Signals(number)]
        if child is not None:
            child.send_signal(asked)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    # What was passed on to the leash, such as a lock, is meant for the command.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)  # noqa: S603 - our caller's own
    if asked is not None:
        child.send_signal(asked)
    while os.getppid() == parent:
        status = _wait(child, LOOK_SECONDS)
        if status is not None:
            return status
    child.terminate()
    if _wait(child, grace_seconds) is None:
        child.kill()
        child.wait()
    os.killpg(0, signal.SIGKILL)  # what the command has started may be here still, and nobody else will end it
    raise AssertionError("unreachable: this process is in that group")


def _wait(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit status as a shell would give it; None where the child has not ended."""
    try:
        returncode = child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    return as_exit_status(returncode)


def as_exit_status(returncode: int) -> int:
    """128 + N for a process that signal N ended, in place of Python's -N."""
    return returncode if returncode >= 0 else 128 - returncode


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
