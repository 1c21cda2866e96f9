"""Bringing the paper's published data from its public repository: checked, whole or not at all, and never in git.

The files keep the repository's names below the target folder (``dataset/sft/sft_data.json`` …), those of
``UPSTREAM_SHA256SUMS`` beside this module.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from shared.errors import InvalidData, ZhufuError

REPOSITORY = "weixiaolong94-hub/Igniting-Creative-Writing-in-Small-Language-Models"
BASE_URL = f"https://raw.githubusercontent.com/{REPOSITORY}/HEAD/"
"""HEAD is the default branch, whatever its name."""

NOTICE = (
    f"The data of the paper comes from github.com/{REPOSITORY}. The release carries no licence: it is its authors', "
    "nobody has granted you rights to it, and zhufu ships none of it. Fetch it for research, on your own "
    "responsibility, and do not pass it on."
)

MAX_REDIRECTS = 5
_SUMS = "UPSTREAM_SHA256SUMS"


class DownloadFailed(ZhufuError):
    """A file could not be brought from the network; the detail says which, and what can be done."""

    code = "download_failed"
    retryable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """How long and how much: the greatest file of the release has 3 MB."""

    connect_seconds: float = 10.0
    silence_seconds: float = 20.0
    file_seconds: float = 300.0
    file_bytes: int = 64 * 1024 * 1024


def release_checksums() -> dict[str, str]:
    """SHA-256 of each file of the release, by its path in the repository."""
    lines = (resources.files("trainer.data") / _SUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def fetch_paper(
    target: Path,
    console: Console,
    *,
    base_url: str = BASE_URL,
    checksums: Mapping[str, str] | None = None,
    limits: DownloadLimits | None = None,
) -> list[Path]:
    """Download what is missing of the paper's release into a folder; files that are there and right stay untouched.

    Runs an event loop of its own, so it cannot be called from within one.

    Args:
        target: Made where it does not exist.
        console: Where the notice and the progress are shown.
        base_url: What the names of the files are put behind.
        checksums: SHA-256 by name; those of the release by default.
        limits: Of time and size.

    Returns:
        The path of every file of the release, in the order of the names.

    Raises:
        DownloadFailed: No network, no such file there, a broken or too slow connection, or no room on the disk.
        InvalidData: A file, there or downloaded, is not the published one. Nothing is overwritten.
    """
    expected = dict(sorted((release_checksums() if checksums is None else checksums).items()))
    console.print(NOTICE, markup=False, highlight=False)
    missing = [name for name, digest in expected.items() if not _is_there(target / name, digest)]
    if present := len(expected) - len(missing):
        console.print(f"{present} of {len(expected)} files are there already.", markup=False)
    if missing:
        chosen = {name: expected[name] for name in missing}
        asyncio.run(_download_all(target, chosen, base_url, limits or DownloadLimits(), console))
    console.print(f"All {len(expected)} files are in {target}, and their checksums are right.", markup=False)
    return [target / name for name in expected]


def _is_there(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InvalidData(path, f"is there but cannot be read: {error.strerror}") from None
    if found != digest:
        raise InvalidData(
            path, f"is there but is not the published file (its SHA-256 is {found}); move it away, or fetch elsewhere"
        )
    return True


async def _download_all(
    target: Path, files: Mapping[str, str], base_url: str, limits: DownloadLimits, console: Console
) -> None:
    timeout = httpx.Timeout(limits.silence_seconds, connect=limits.connect_seconds)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        async with httpx.AsyncClient(timeout=timeout, follow_redirects=True, max_redirects=MAX_REDIRECTS) as client:
            for name, digest in files.items():
                task = progress.add_task(name, total=None)
                url = f"{base_url.rstrip('/')}/{name}"
                await _download(client, url, target / name, digest, limits, progress, task)


async def _download(
    client: httpx.AsyncClient,
    url: str,
    path: Path,
    digest: str,
    limits: DownloadLimits,
    progress: Progress,
    task: TaskID,
) -> None:
    """Bring one file: under another name until it is whole and right."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        found = await _receive(client, url, unfinished, limits, progress, task)
        if found != digest:
            raise InvalidData(
                url, f"is not the file that was published with the paper: its SHA-256 is {found}, not {digest}"
            )
        unfinished.replace(path)
    except OSError as error:
        raise DownloadFailed(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if unfinished.is_file():
            unfinished.unlink()


async def _receive(
    client: httpx.AsyncClient, url: str, path: Path, limits: DownloadLimits, progress: Progress, task: TaskID
) -> str:
    """Write what an address answers to a file; returns its SHA-256."""
    received, sha256 = 0, hashlib.sha256()
    try:
        # httpx's own limits are for each wait; an answer that trickles in would keep within them for ever.
        async with asyncio.timeout(limits.file_seconds), client.stream("GET", url) as response:
            if response.status_code != httpx.codes.OK:
                raise DownloadFailed(
                    f"{url} was answered with {response.status_code} {response.reason_phrase}; "
                    "the repository may have moved, or be busy"
                )
            length = response.headers.get("content-length", "")
            progress.update(task, total=int(length) if length.isdecimal() else None)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                async for part in response.aiter_bytes():
                    received += len(part)
                    if received > limits.file_bytes:
                        raise DownloadFailed(f"{url} is larger than {limits.file_bytes:,} bytes; no such file is known")
                    sha256.update(part)
                    file.write(part)
                    progress.update(task, completed=received)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise DownloadFailed(
            f"{httpx.URL(url).host} cannot be reached; is there a network? Fetching needs one, the starter set does not"
        ) from error
    except (TimeoutError, httpx.TimeoutException) as error:
        raise DownloadFailed(
            f"{url} was too slow: {received:,} bytes came before the time was up; try again, what is here stays"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DownloadFailed(
            f"{url} broke off after {received:,} bytes ({type(error).__name__}); try again, what is here stays"
        ) from error
    progress.update(task, total=received, completed=received)
    return sha256.hexdigest()
