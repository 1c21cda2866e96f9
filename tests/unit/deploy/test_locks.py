"""The lock files of the images: what the extras ask for, in the versions that are tested, with hashes (make locks)."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable, Mapping

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.install_torch import accelerator_requirements
from tests.support.processes import ROOT

LOCKS = {
    "judge": "services/judge/requirements.lock",
    "reward-model": "services/reward_model/requirements.lock",
    "multi-agent": "services/multi_agent/requirements.lock",
    "trainer": "trainer/requirements.lock",
    "local-llm": "trainer/local_llm/requirements.lock",
}
"""By extra."""
IMAGE = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
}
"""Where an image runs; the earliest 3.11, so that any will do."""
TORCH = "torch"
BACKPORTS = {"async-timeout"}
"""Of Pythons before the one that constraints.txt was made with."""
each = pytest.mark.parametrize("extra", LOCKS)


def pins(text: str) -> dict[str, str]:
    """The versions in a lock file, or in constraints, by name."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def locked(extra: str) -> dict[str, str]:
    return pins((ROOT / LOCKS[extra]).read_text(encoding="utf-8"))


def constraints() -> dict[str, str]:
    return pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))


def project() -> tuple[list[str], Mapping[str, list[str]]]:
    """What everyone needs, and the extras."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table["dependencies"], table["optional-dependencies"]


def wanted(extra: str) -> list[Requirement]:
    """What an extra asks for in an image, the extras that it names followed."""
    everyone, extras = project()
    todo, found = [extra], [Requirement(text) for text in everyone]
    while todo:
        for requirement in map(Requirement, extras[todo.pop()]):
            if requirement.name == "zhufu":
                todo += sorted(requirement.extras)
            else:
                found.append(requirement)
    return [requirement for requirement in found if applies(requirement)]


def applies(requirement: Requirement, extras: Iterable[str] = ("",)) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({**IMAGE, "extra": name}) for name in extras)


def needed(requirement: Requirement) -> list[Requirement]:
    """What a distribution asks for in an image, by the metadata of the one that is installed here."""
    name = canonicalize_name(requirement.name)
    try:
        texts = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        assert name in BACKPORTS, f"{name} is not installed here"
        return []
    if name == TORCH:
        texts = [text for text in texts if text not in accelerator_requirements(texts)]
    extras = ("", *requirement.extras)
    return [found for found in map(Requirement, texts) if applies(found, extras)]


def closure(requirements: list[Requirement]) -> dict[str, list[Requirement]]:
    """Everything that is needed, by name, with all that is asked of it."""
    found: dict[str, list[Requirement]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = list(requirements)
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        found.setdefault(name, []).append(requirement)
        if (name, frozenset(requirement.extras)) not in seen:
            seen.add((name, frozenset(requirement.extras)))
            todo += needed(requirement)
    return found


@each
def test_it_holds_all_that_the_extra_needs_and_nothing_else(extra: str) -> None:
    everything = closure(wanted(extra))
    assert locked(extra).keys() == everything.keys() - {TORCH}


@each
def test_its_versions_are_those_that_the_extra_allows(extra: str) -> None:
    versions = locked(extra)
    for name, requirements in closure(wanted(extra)).items():
        for requirement in requirements:
            if name != TORCH:
                assert requirement.specifier.contains(versions[name], prereleases=True), requirement


@each
def test_its_versions_are_those_that_are_tested(extra: str) -> None:
    tested = constraints()
    known = {name: version for name, version in locked(extra).items() if name in tested}
    assert known == {name: tested[name] for name in known}
    # pip itself and setuptools are never among what pip freezes.
    assert locked(extra).keys() - known.keys() <= BACKPORTS | {"setuptools"}


@pytest.mark.parametrize("path", [*LOCKS.values(), "deploy/build.lock"])
def test_every_version_has_hashes_and_no_index_is_named(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if "==" in line:
            assert after.startswith("    --hash=sha256:"), line
        else:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
    assert "://" not in text
    assert TORCH not in pins(text)


def test_what_builds_the_distribution_is_locked_too() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    versions = pins((ROOT / "deploy/build.lock").read_text(encoding="utf-8"))
    asked = {requirement.name: requirement for requirement in map(Requirement, table["requires"])}
    assert versions.keys() == asked.keys()
    assert all(requirement.specifier.contains(versions[name]) for name, requirement in asked.items())
    inputs = (ROOT / "deploy/build.in").read_text(encoding="utf-8").splitlines()
    assert [line for line in inputs if not line.startswith("#")] == table["requires"]


def test_what_make_locks_is_told_of_torch_is_what_torch_says_itself() -> None:
    (told,) = tomllib.loads((ROOT / "deploy/uv.toml").read_text(encoding="utf-8"))["dependency-metadata"]
    assert (told["name"], told["version"]) == (TORCH, constraints()[TORCH])
    says = [text for text in importlib.metadata.requires(TORCH) or [] if "extra ==" not in text]
    own = {str(Requirement(text)) for text in says if text not in accelerator_requirements(says)}
    assert {str(Requirement(text)) for text in told["requires-dist"]} == own
