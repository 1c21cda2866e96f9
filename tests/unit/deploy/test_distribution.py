"""The distribution carries all that its code reads: principles, prompts, the starter set, the starter reward model."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import ROOT

PACKAGES = ("services", "shared", "trainer")
CODE = {".py", ".pyc"}
FOR_IMAGES = {"Dockerfile", "requirements.lock"}
"""What lies beside the code and is none of it."""
SETUPTOOLS = 77
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel, built as the images build it."""
    if int(importlib.metadata.version("setuptools").split(".")[0]) < SETUPTOOLS:
        pytest.skip(f"setuptools {SETUPTOOLS} or later is not installed")
    folder = tmp_path_factory.mktemp("source")
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "dist").mkdir()
    built = subprocess.run(
        [sys.executable, "-c", BUILD, "dist"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr[-4000:]
    (path,) = (folder / "dist").glob("zhufu-*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_every_file_that_is_no_code_is_in_it(wheel: set[str]) -> None:
    paths = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    data = {str(path) for path in paths if path.suffix not in CODE and path.name not in FOR_IMAGES}
    assert len(data) > 30
    assert data - wheel == set()


def test_so_is_all_code_and_nothing_of_the_images(wheel: set[str]) -> None:
    code = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert code - wheel == set()
    assert not {name for name in wheel if Path(name).name in FOR_IMAGES}


def test_nothing_else_is_installed(wheel: set[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {*PACKAGES, "zhufu"}
