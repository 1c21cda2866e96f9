"""Fixtures of tests that train."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

if TYPE_CHECKING:
    from tests.integration.trainer.commands import Zhufu


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained model."""
    from tests.integration.trainer.tiny_models import tiny_model

    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread."""
    from tests.integration.trainer import tiny_models

    with tiny_models.one_thread():
        yield


@pytest.fixture
def console() -> Console:
    """Where progress is shown; pytest captures it."""
    return Console(width=200)


@pytest.fixture
def zhufu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Zhufu:
    """Runs the command within this process."""
    from tests.integration.trainer.commands import Zhufu

    return Zhufu(monkeypatch, capsys)
