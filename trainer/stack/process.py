"""One child process of the stack: started on a leash, its output in a log of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.stack import leash
from trainer.stack.logs import last_lines

KILL_SECONDS = 10.0
"""After SIGKILL the kernel needs a moment; more than this means that the machine is in trouble."""
ORPHAN_SECONDS = 10.0
"""How long a process may drain when whoever started the stack was killed."""


class ManagedProcess:
    """A command that can be started, ended, killed and started again.

    It runs in a session of its own, so that Ctrl-C at the terminal reaches the stack alone, which ends everything in
    order. It ends with this process whatever happens to it; see `trainer.stack.leash`.
    """

    def __init__(
        self,
        name: str,
        ready_url: str,
        command: Sequence[str],
        log: Path | None,
        environment: Mapping[str, str],
        *,
        keeps_open: Sequence[int] = (),
    ) -> None:
        """Nothing is started yet.

        Args:
            name: For people.
            ready_url: What `trainer.stack.readiness` asks: a Redis, or a page with 200.
            command: What is run.
            log: What it prints is appended to this; None: it prints where this process does.
            environment: Of the process.
            keeps_open: Descriptors that it inherits, such as a lock that is to last as long as it does.
        """
        self.name = name
        self.ready_url = ready_url
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._keeps_open = tuple(keeps_open)
        self._process: subprocess.Popen[bytes] | None = None
        self._group: int | None = None
        self._log_start = 0

    def start(self) -> None:
        """Start it; nothing is waited for. What it prints is appended to its log."""
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        with contextlib.nullcontext() if self.log is None else self.log.open("ab") as output:
            self._log_start = 0 if output is None else output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                [
                    *(sys.executable, "-I", "-S", leash.__file__),
                    *(str(os.getpid()), str(ORPHAN_SECONDS)),
                    *self._command,
                ],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self._keeps_open,
            )
        self._group = self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return not self.wait(0)

    @property
    def status(self) -> int:
        """The exit status as a shell would give it, of a process that has ended."""
        if self._process is None or self._process.returncode is None:
            raise RuntimeError(f"{self.name} has not ended")
        return leash.as_exit_status(self._process.returncode)

    def ending(self) -> str:
        """How it ended and what it said last, for people: ``status 1; the end of …/redis.log: …``."""
        return f"{describe(self.status)}; {self.end_of_log()}"

    def end_of_log(self) -> str:
        """The last lines that it printed since its last start, under the path of its log."""
        if self.log is None:
            return "what it said stands above"
        return f"the end of {self.log}:\n{last_lines(self.log, self._log_start)}"

    def terminate(self) -> None:
        """Ask it to drain and end; nothing is waited for."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it has ended within the time, or never ran. What it left behind is ended then, too."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        self._kill_group()
        return True

    def kill(self) -> None:
        """End it and all that it has started, at once; returns when it has ended and its port is free."""
        if self._process is None:
            return
        self._process.send_signal(leash.KILL)  # the leash waits for its child's end; killed itself, it could not
        if not self.wait(KILL_SECONDS):
            self._kill_group()
            self._process.wait(KILL_SECONDS)

    def _kill_group(self) -> None:
        """Once only: as soon as the leash is reaped and its group is empty, the kernel may give the number away."""
        group, self._group = self._group, None
        if group is not None:
            # macOS answers EPERM rather than ESRCH for a group of which only zombies are left.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)


def describe(status: int) -> str:
    """An exit status in words."""
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(status - 128).name}"
    return f"status {status}"
