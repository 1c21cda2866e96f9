"""The settings that a service reads in its Pod."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.settings import ServiceSettings
from tests.support.manifests import environment, pods, render
from tests.unit.deploy.services import CLASSES, SECRETS, variables

ReadSettings = Callable[[str, str], Any]


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any of the services' variables."""
    for settings in CLASSES.values():
        for name in variables(settings):
            monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def settings_of(clean: pytest.MonkeyPatch) -> ReadSettings:
    """A function of an overlay and a service's name: its settings class, made from its container's environment."""

    def read(folder: str, name: str) -> ServiceSettings:
        manifests = render(folder)
        (pod,) = [pod for pod in pods(manifests) if pod.owner == f"Deployment/{name}"]
        for variable, value in environment(pod.container(name), manifests, SECRETS).items():
            clean.setenv(variable, value)
        return CLASSES[name]()

    return read
