"""The packages of other trainers, as they are on the index that pip uses."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "20")
FETCH_SECONDS = 420
ASK_SECONDS = 60
STRAY = ("tests", "scripts")
"""OpenRLHF's wheel puts these beside itself; the first would hide the tests of this project."""


def fetched_packages(cache: Path) -> Path:
    """A folder with the packages of `REQUIREMENTS`; skips the test where no index can be reached.

    Args:
        cache: Where it is kept for the next run, under a name that hangs on the requirements.
    """
    version = f"{sys.implementation.cache_tag}-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]}"
    folder = cache / version
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be about to fetch them
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as made:
                _fetch(Path(made) / "packages")
                (Path(made) / "packages").rename(folder)
    return folder


def _fetch(folder: Path) -> None:
    command = [*PIP, "install", "--quiet", "--no-deps", "--target", str(folder), "--requirement", str(REQUIREMENTS)]
    # Limits of versions that are set for other environments would be in the way.
    environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS, env=environment, check=False)
    if done.returncode:
        asked = [*PIP, "download", "--quiet", "--no-deps", "--dest", str(folder), "six"]
        index = subprocess.run(asked, capture_output=True, timeout=ASK_SECONDS, env=environment, check=False)
        if index.returncode:
            pytest.skip("no package index can be reached, and the trainers' packages are not in the cache")
        raise AssertionError(f"pip could not fetch the trainers' packages:\n{done.stderr[-4000:]}")
    for stray in STRAY:
        shutil.rmtree(folder / stray, ignore_errors=True)
