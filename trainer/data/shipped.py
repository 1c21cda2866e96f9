"""The JSON-lines files that travel with the package, each bound to its datasheet by a checksum."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from shared.errors import InvalidData


def read_shipped(name: Path) -> bytes:
    """The content of a file in ``trainer/data``, by its path there. Raises `InvalidData` where it cannot be read."""
    try:
        return (resources.files("trainer.data") / name.as_posix()).read_bytes()
    except OSError as error:
        raise InvalidData(name, f"cannot be read; is zhufu installed whole? {error.strerror}") from None


def check_digest(path: Path, data: bytes, sha256: str) -> None:
    """Raise `InvalidData` where a file is not the one of its datasheet.

    Args:
        path: Named in errors.
        data: Content of the file.
        sha256: Of that content with line feeds as line ends; git on Windows may have put others.
    """
    digest = hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()
    if digest != sha256:
        raise InvalidData(path, f"is not the file of the datasheet: its SHA-256 is {digest}, not {sha256}")
