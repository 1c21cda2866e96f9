"""The project's Compose files as an engine sees them: merged and with variables put in, by podman-compose's loader."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import podman_compose
import yaml
from dotenv import dotenv_values

from tests.support.dockerfiles import Dockerfile
from tests.support.processes import ROOT

CPU = ("docker-compose.yml",)
GPU = ("docker-compose.yml", "docker-compose.gpu.yml")
REQUIRED = {
    "ZHUFU_API_KEYS": "a-key-of-clients",
    "ZHUFU_LLM_API_KEY": "a-key-of-models",
    "REDIS_PASSWORD": "redispassword",
    "GRAFANA_PASSWORD": "grafanapassword",
}
"""What .env must give, with values for tests."""
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(:?[-?+])?")
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclasses.dataclass(frozen=True)
class Service:
    """One service, with what its image brings."""

    name: str
    definition: Mapping[str, Any]

    @property
    def dockerfile(self) -> Dockerfile | None:
        """Of an image of ours."""
        build = self.definition.get("build")
        return None if build is None else Dockerfile(ROOT / build["dockerfile"])

    @property
    def environment(self) -> dict[str, str]:
        """All variables that its process has: the image's, those of files, its own; the later win."""
        of_image = {} if self.dockerfile is None else self.dockerfile.environment
        return of_image | self.given

    @property
    def given(self) -> dict[str, str]:
        """The variables that Compose gives, over those of the image."""
        variables: dict[str, str] = {}
        for path in self.definition.get("env_file", []):
            read = dotenv_values(ROOT / path, interpolate=False)
            variables |= {name: value or "" for name, value in read.items()}
        return variables | dict(self.definition.get("environment", {}))

    @property
    def command(self) -> list[str]:
        """What is run: its own command, or that of an image of ours."""
        if "command" in self.definition:
            return list(self.definition["command"])
        assert self.dockerfile is not None, f"the command of {self.name} is in an image that is not here"
        return self.dockerfile.command

    @property
    def has_health_check(self) -> bool:
        of_image = self.dockerfile is not None and self.dockerfile.health_check is not None
        return "healthcheck" in self.definition or of_image

    @property
    def limits(self) -> dict[str, Any]:
        return dict(self.definition["deploy"]["resources"]["limits"])

    @property
    def devices(self) -> list[dict[str, Any]]:
        reserved = self.definition["deploy"]["resources"].get("reservations", {})
        return list(reserved.get("devices", []))

    @property
    def replicas(self) -> int:
        return int(self.definition["deploy"].get("replicas", 1))


def load(files: tuple[str, ...], variables: Mapping[str, str] = REQUIRED) -> dict[str, Any]:
    """The merged files.

    Raises:
        ValueError: A variable that is needed has no value.
    """
    merged: dict[str, Any] = {}
    for file in files:
        podman_compose.rec_merge(merged, _with_variables(read(file), dict(variables)))
    return merged


def _with_variables(value: Any, variables: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _with_variables(part, variables) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_variables(part, variables) for part in value]
    if isinstance(value, str) and "$" in value:  # of all others it would make what they are, slowly
        return podman_compose.var_interpolate(value, variables)
    return value


@functools.cache
def read(file: str) -> Any:
    """One file as it is written."""
    return yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


def services(files: tuple[str, ...], variables: Mapping[str, str] = REQUIRED) -> dict[str, Service]:
    """Every service, also those of a profile."""
    return {name: Service(name, definition) for name, definition in load(files, variables)["services"].items()}


def interpolated(path: Path) -> Iterator[tuple[str, str]]:
    """The variables that a file asks for, each with its operator (``:-``, ``:?``; empty: none)."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.lstrip().startswith("#"):
            yield from VARIABLE.findall(line)


def seconds(duration: str) -> float:
    """A duration of Compose, such as ``1m30s``, in seconds."""
    parts = re.findall(r"(\d+)([smh])", duration)
    assert "".join(map("".join, parts)) == duration, duration
    return sum(float(number) * UNITS[unit] for number, unit in parts)
