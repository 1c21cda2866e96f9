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


@pytest.fixture(scope="session")
def gemma_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder (XDG_CACHE_HOME) with the weights of the local LLM: 253 MB, gone with the tests."""
    from trainer.local_llm.weights import DISTRIBUTION, gemma_is_installed, gemma_path

    pytest.importorskip("xllamacpp", reason="the local LLM is not installed")
    if not gemma_is_installed():
        pytest.skip(f"{DISTRIBUTION} is not installed")
    folder = tmp_path_factory.mktemp("cache")
    path = gemma_path(folder / "zhufu")
    yield folder
    path.unlink()


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
