"""A small disk of its own, which can be filled: a tmpfs."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Self

SIZE_MIB = 16
PIECE = b"\0" * 65_536
MOUNT_SECONDS = 10.0


def missing() -> str | None:
    """Why there can be none here, if so."""
    return None if os.geteuid() == 0 else "a disk to fill up is mounted by root only"


class SmallDisk:
    """Mounted on a folder while the context is open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def __enter__(self) -> Self:
        self.folder.mkdir()
        options = f"size={SIZE_MIB}m,mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "zhufu-chaos", str(self.folder)]
        subprocess.run(command, check=True, timeout=MOUNT_SECONDS, capture_output=True)
        return self

    def __exit__(self, *_: object) -> None:
        # Lazily: a process that has just been killed may hold its files a moment longer.
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, timeout=MOUNT_SECONDS, capture_output=True)

    def fill(self) -> None:
        """Leave no byte free."""
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            for piece in (PIECE, PIECE[:1]):
                _write_until_full(descriptor, piece)
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()


def _write_until_full(descriptor: int, piece: bytes) -> None:
    try:
        while True:
            os.write(descriptor, piece)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
