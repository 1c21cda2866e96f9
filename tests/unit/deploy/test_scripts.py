"""The scripts that images and .env are made with."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.build_images import DOCKERFILES, pip_configuration
from deploy.install_torch import accelerator_requirements
from deploy.new_env import with_keys
from tests.support.dockerfiles import FILES
from tests.support.processes import ROOT


def test_torch_brings_the_libraries_of_its_accelerator_and_nothing_that_is_locked() -> None:
    linux = "platform_system == 'Linux'"
    requirements = [
        "filelock",
        "typing-extensions>=4.10.0",
        f"cuda-toolkit[cublas,cudart]==13.0.2; {linux}",
        f"nvidia-cudnn-cu13==9.15.1.9; {linux}",
        f"triton==3.6.0; {linux}",
        'optree>=0.13.0; extra == "optree"',
    ]
    assert accelerator_requirements(requirements) == requirements[2:5]
    assert accelerator_requirements(["sympy>=1.13.3", "jinja2"]) == []


def test_pip_in_a_build_looks_where_pip_looks_here(tmp_path: Path) -> None:
    wheels, index, certificate = tmp_path / "wheels", tmp_path / "local" / "simple", tmp_path / "ca.pem"
    wheels.mkdir()
    index.mkdir(parents=True)
    certificate.write_text("x")
    listed = f"""\
:env:.find-links='{wheels}'
:env:.disable-pip-version-check='1'
global.cert='{certificate}'
global.constraint='{tmp_path}/constraints.txt'
global.extra-index-url='file://{index} https://index.example/simple'
global.find-links='{wheels}\\n{tmp_path}/gone'
"""
    text, paths = pip_configuration(listed)
    assert text.splitlines() == [
        "[global]",
        f"find-links = {wheels} {tmp_path}/gone",
        f"cert = {certificate}",
        f"extra-index-url = file://{index} https://index.example/simple",
    ]
    # Of an index the folder above it: the files that it names lie beside it. What is not there is not mounted.
    assert set(paths) == {wheels, certificate, index.parent}


def test_without_a_configuration_pip_has_its_own_ways() -> None:
    assert pip_configuration("") == ("[global]\n", [])


def test_the_images_are_those_of_the_dockerfiles() -> None:
    assert {name: ROOT / path for name, path in DOCKERFILES.items()} == {
        name: file.path for name, file in FILES.items()
    }


@pytest.mark.parametrize(("arguments", "said"), [(["judge", "jugde"], "there is no jugde"), (["--bse", "x"], "--bse")])
def test_a_wrong_word_builds_nothing(arguments: list[str], said: str) -> None:
    command = [sys.executable, str(ROOT / "deploy/build_images.py"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_make_env_gives_every_empty_variable_a_key_of_its_own() -> None:
    made = with_keys("# A=\nA_KEY=\nB_KEY=\nKEYS=${A_KEY}\n#C=\nD=x\n")
    lines = made.splitlines()
    keys = [re.fullmatch(r"[AB]_KEY=([0-9a-f]{48})", line) for line in lines[1:3]]
    assert keys[0] is not None
    assert keys[1] is not None
    assert keys[0][1] != keys[1][1]
    assert [lines[0], *lines[3:]] == ["# A=", "KEYS=${A_KEY}", "#C=", "D=x"]


def test_keys_are_for_their_owner_alone_and_never_written_over(tmp_path: Path) -> None:
    target = tmp_path / ".env"
    command = [sys.executable, str(ROOT / "deploy/new_env.py"), str(target)]
    before = os.umask(0)
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    text = target.read_text(encoding="utf-8")
    assert not re.search(r"^[A-Z_]+=$", text, re.MULTILINE)
    keys = re.findall(r"[0-9a-f]{48}", text)
    assert len(keys) == len(set(keys)) == 4
    assert not any(key in made.stdout + made.stderr for key in keys)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert target.read_text(encoding="utf-8") == text


def test_keys_are_never_committed() -> None:
    ignored = subprocess.run(["git", "check-ignore", ".env"], cwd=ROOT, capture_output=True, text=True, check=False)
    if ignored.returncode == 128:
        pytest.skip("not a git repository")
    assert ignored.stdout == ".env\n"
