"""One process at a time works in a folder, steps that outlive their starter for a moment included.

The lock is the kernel's (``flock``) and goes with its holders: a step inherits it, so that what was killed leaves it
free as soon as the last process of it has ended, and never later.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from trainer.steps.errors import FolderInUse

LOCK = ".lock"
WAIT_SECONDS = 30.0
"""A step whose starter was killed gets ten seconds to end."""
LOOK_SECONDS = 0.1


class FolderLock:
    """Holds a folder; made when missing."""

    def __init__(self, folder: Path, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._folder = folder
        self._wait_seconds = wait_seconds
        self._descriptor = -1

    @property
    def descriptor(self) -> int:
        """Of the open file, for a process that is to hold the folder as well."""
        return self._descriptor

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + self._wait_seconds
        while not self._taken():
            if time.monotonic() > deadline:
                os.close(self._descriptor)
                raise FolderInUse(f"another process works in {self._folder}: wait for its end, or end it")
            time.sleep(LOOK_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
