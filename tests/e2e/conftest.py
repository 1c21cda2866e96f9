"""Fixtures of tests that train; those of the integration tests serve here too."""

from __future__ import annotations

from tests.integration.trainer.conftest import console, one_thread, tiny, zhufu

__all__ = ["console", "one_thread", "tiny", "zhufu"]
