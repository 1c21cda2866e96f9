"""A clock on the wall that jumps, for one process: libfaketime. The monotonic clock goes on, as on a real machine."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path


@functools.cache
def _library() -> Path | None:
    """libfaketime's shared object, of the package that carries it."""
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return path if path.is_file() else None


def missing() -> str | None:
    """Why no clock can jump here, if so."""
    if not sys.platform.startswith("linux"):
        return "clocks jump on Linux only"
    return None if _library() else "the package libfaketime is not installed"


class WallClock:
    """What one process or several take for the time of day."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump(0)

    @property
    def environment(self) -> Mapping[str, str]:
        """For the processes that shall have this clock."""
        library = _library()
        assert library is not None
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, seconds: int) -> None:
        """Be off by so many seconds from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)  # never seen half written
