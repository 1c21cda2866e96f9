"""Fixtures of tests of services that ask a language model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.llm_server import LlmServer


@pytest.fixture(scope="module")
def shared_llm() -> Iterator[LlmServer]:
    """A language model for all tests of a file; each test says anew what it answers."""
    with LlmServer() as server:
        yield server
